"""Words and their pronunciations."""

import csv

import pytest

from trainer.errors import UserError
from trainer.speech_engine import lexicon
from trainer.speech_engine.acoustics import find

ACOUSTICS = find("pocketsphinx")


def pronouncer(own=None):
    return lexicon.Pronouncer(
        ACOUSTICS.dictionary, ACOUSTICS.units, own or {}, lexicon.programming_words()
    )


def nothing(words):
    return {}


def test_our_list_is_long_and_can_be_pronounced():
    words = lexicon.programming_words()
    assert len(words) >= 300
    for word in words:
        found, source, _ = pronouncer().known(word)
        assert source == "programming words", word
        assert len(found) == len(dict.fromkeys(found)) >= 1
        assert {p for one in found for p in one.split()} <= set(ACOUSTICS.units)


@pytest.mark.parametrize(
    ("word", "phones", "source"),
    [
        ("kwargs", "K W AA R G Z", "programming words"),
        ("println", "P R IH N T L AY N", "programming words"),
        ("stdout", "S T AE N D ER D AW T", "programming words"),
        ("house", "HH AW S", "dictionary"),
        ("housewater", "HH AW S W AO T ER", "compound"),
        ("xqz", "EH K S K Y UW Z IY", "letters"),
    ],
)
def test_where_pronunciations_come_from(word, phones, source):
    found, kind, _ = pronouncer().known(word)
    assert (found[0], kind) == (phones, source)


def test_corrections_come_first(tmp_path):
    (tmp_path / "mine.csv").write_text(
        "word,pronunciation\nkwargs,K EY W OW R D Z\nnumpyro,num pie row\n"
    )
    own = lexicon.corrections(tmp_path)
    assert pronouncer(own).known("kwargs")[0] == ("K EY W OW R D Z",)
    assert pronouncer(own).known("numpyro")[:2] == (("N AH M P AY R OW",), "correction")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kwargs,K W\n", "first line must be word,pronunciation"),
        ("word,pronunciation\nkwargs,\n", "line 2"),
        ("word,pronunciation\nk9,K\n", "line 2"),
        ("word,pronunciation\nkwargs,QQ ZZZ\n", "neither phones"),
    ],
)
def test_wrong_corrections_are_one_line(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        pronouncer(lexicon.corrections(tmp_path)).known("kwargs")


def test_corrections_in_another_encoding(tmp_path):
    (tmp_path / "a.csv").write_bytes("word,pronunciation\ncaf\xe9,K\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.csv: not a table in UTF-8"):
        lexicon.corrections(tmp_path)


def test_vocabulary():
    counts = {"foo": 5, "rare": 1, "shit": 9, "bar": 5, "x9": 7, "it's": 3}
    words = lexicon.vocabulary(counts, 100, 2)
    assert words[:26] == list("abcdefghijklmnopqrstuvwxyz")
    assert words[26:] == ["bar", "foo", "it's"]
    assert len(lexicon.vocabulary(counts, 27, 2)) == 27
    assert lexicon.vocabulary(counts, 27, 2, {"rubout": 1})[-1] == "rubout"


def test_guesses_and_short_words(tmp_path):
    def guess(words):
        assert set(words) == {"zorbix", "ubo"}
        return {"zorbix": (("Z AO R B IH K S",), 0.4), "ubo": (("AH B OW",), 0.3)}

    found = lexicon.entries(["house", "zorbix", "ubo"], {"zorbix": 7}, pronouncer(), guess)
    by_word = {one.word: one for one in found}
    assert by_word["zorbix"].source == "guessed"
    assert by_word["ubo"].pronunciations == ("AH B OW", "Y UW B IY OW")
    lexicon.write(found, tmp_path, 0.6)
    with (tmp_path / "review.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["word"] for row in rows] == ["zorbix", "ubo", "ubo"]
    assert rows[0]["count"] == "7"
    assert lexicon.read(tmp_path / "lexicon.txt")["house"] == ["HH AW S"]


def test_words_without_a_pronunciation_are_left_out():
    assert lexicon.entries(["zorbix"], {}, pronouncer(), nothing) == []


def test_frequent_words_are_learned_from():
    found = lexicon.frequent(ACOUSTICS.dictionary, 50)
    assert len(found) == 50
    assert {"the", "and"} <= set(found)


def test_letters():
    found = lexicon.spelled_entries(["cab", "d"], {"cab": 2}, ["a", "b", "c", " "])
    assert [(one.word, one.pronunciations) for one in found] == [("cab", ("c a b",))]
