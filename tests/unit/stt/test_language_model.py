"""The text of a language model: words, or the characters of models of bytes."""

import pytest

from trainer.corpora.splits import Split
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.stt.language_model import VARIANTS, TextPlan, is_common, read_classes, varied
from trainer.stt.language_model import write_text as write_plan
from trainer.stt.material import Material, Text
from trainer.stt.scorers import Scorers
from trainer.stt.settings import SpeechSettings
from trainer.text.alphabet import ByteAlphabet
from trainer.text.rules import AS_WRITTEN


def test_held_out_sentences_are_left_out_however_they_are_spaced(tmp_path):
    (tmp_path / "text").write_text("我 今天\n好 吗\n")
    counts = write_text(
        tmp_path / "out",
        [tmp_path / "text", "transcripts"],
        AS_WRITTEN,
        {"我今天"},
        [Utterance("a", "我今天")],
        True,
    )
    assert (tmp_path / "out").read_text() == "好 吗\n我 今 天\n"
    assert counts["text"] == {"taken": 1, "refused": 0, "in dev or test": 1}
    write_text(tmp_path / "out", [tmp_path / "text"], AS_WRITTEN, {"我今天"}, [])
    assert (tmp_path / "out").read_text() == "我 今天\n好 吗\n"


def write_text(path, places, rules, held_out, trained_on, characters=False, classes=(), times=None):
    texts = [Text(place, (), (times or {}).get(place, 1)) for place in places]
    plan = TextPlan(texts, rules, frozenset(held_out), characters, classes)
    return write_plan(plan, trained_on, path)


@pytest.mark.parametrize(
    ("transcripts", "mode", "why"),
    [
        (["a b", "c d", "e"], True, "2 of 3 transcripts have spaces"),
        (["a b", "c d", "e"], False, ""),
        (["a b", "c", "e"], True, ""),
    ],
)
def test_scorers_of_characters_are_for_languages_without_spaces(
    tmp_path, make_run, transcripts, mode, why
):
    split = Split()
    split.sets["train"]["x"] = [Utterance("a.wav", text) for text in transcripts]
    material = Material(ByteAlphabet(), AS_WRITTEN, split, texts=[Text("transcripts", ())])
    run = make_run(SpeechSettings, "stt", "x", data_dir=str(tmp_path), bytes_output_mode=mode)
    found = Scorers(run, material).why_none
    assert why in found
    assert bool(why) == bool(found)
    without = Material(ByteAlphabet(), AS_WRITTEN, split)
    assert "LM_TEXT is empty" in Scorers(run, without).why_none


def test_a_text_may_count_several_times(tmp_path):
    (tmp_path / "more").write_text("go\n")
    counts = write_text(
        tmp_path / "out",
        ["transcripts", tmp_path / "more"],
        AS_WRITTEN,
        set(),
        [Utterance("a", "yes")],
        times={"transcripts": 3},
    )
    assert (tmp_path / "out").read_text() == "yes\nyes\nyes\ngo\n"
    assert counts["transcripts, 3 times"]["taken"] == 1


@pytest.mark.parametrize(
    ("text", "anybody"),
    [
        ("one two three", True),
        ("one two three four", False),
        ("p i t t s b u r g h", True),
        ("rubout j l y z two", True),
        ("enter a one b two", False),
        ("il a dit non", False),
        ("我 今 天 好", False),
        ("il y a dix", False),
    ],
)
def test_a_spelled_word_is_one_word_that_anybody_says(text, anybody):
    assert is_common(text) == anybody


CLASSES = (("one", "two", "three"), ("a", "b"))


def test_transcripts_are_varied_within_the_classes_of_their_words():
    made = list(varied(["enter one", "a b b", "yes", "stop now", "b two"], CLASSES, 1))
    assert len(made) == 2 * VARIANTS
    assert set(made[:VARIANTS]) == {"enter one", "enter two", "enter three"}
    assert set(made[VARIANTS:]) <= {f"{x} {y}" for x in CLASSES[1] for y in CLASSES[0]}
    assert (
        made
        == list(varied(["enter one", "a b b", "yes", "stop now", "b two"], CLASSES, 1))
        != list(varied(["enter one", "b two"], CLASSES, 2))
    )


def test_words_that_are_said_more_are_drawn_more():
    drawn = " ".join(varied(["x one"] * 100, CLASSES, 1)).split()
    assert drawn.count("one") > 4 * drawn.count("two") > 0


def test_varied_sentences_of_dev_and_test_are_left_out(tmp_path):
    counts = write_text(
        tmp_path / "out",
        ["transcripts"],
        AS_WRITTEN,
        {"enter two"},
        [Utterance("a", "enter one")],
        False,
        CLASSES,
    )
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines[0] == "enter one"
    assert "enter two" not in lines
    assert counts["transcripts, varied"] == {
        "taken": len(lines) - 1,
        "refused": 0,
        "in dev or test": VARIANTS + 1 - len(lines),
    }


def test_classes_without_a_word_of_the_transcripts_are_told(tmp_path):
    with pytest.raises(
        UserError, match="LM_CLASSES has no effect: no transcript has one of its words"
    ):
        write_text(
            tmp_path / "out",
            ["transcripts"],
            AS_WRITTEN,
            set(),
            [Utterance("a", "enter")],
            False,
            CLASSES,
        )


def test_texts_of_one_name_are_counted_apart(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "x.txt").write_text("one\n")
    counts = write_text(
        tmp_path / "out",
        [tmp_path / "a" / "x.txt", tmp_path / "b" / "x.txt"],
        AS_WRITTEN,
        set(),
        [],
    )
    assert [counts[str(tmp_path / place / "x.txt")]["taken"] for place in ("a", "b")] == [1, 1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("one two\nthree\n", "class 2 has one word only"),
        ("one two\nthree two\n", "'two' is in two classes"),
        ("one two one\n", "'one' is in two classes"),
        ("\n", "no classes"),
    ],
)
def test_mistakes_in_classes_are_told(tmp_path, text, why):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(UserError, match=why):
        read_classes(tmp_path / "classes.txt")
    with pytest.raises(UserError, match="No such file"):
        read_classes(tmp_path / "none.txt")
