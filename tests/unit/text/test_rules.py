"""Alphabets: their file, their form in models, what is outside of them."""

import unicodedata

import pytest

from trainer.errors import UserError
from trainer.text.alphabet import Alphabet, ByteAlphabet, alphabet_of, collapse, read_alphabet
from trainer.text.rules import Rules, folded, lowered, normal, read_rules, spoken_numbers


def test_file_keeps_hash_space_and_accents(tmp_path):
    path = tmp_path / "alphabet.txt"
    alphabet = Alphabet((" ", "#", "a", "é"))
    alphabet.write(path)
    path.write_bytes(
        b"\xef\xbb\xbf# a comment\r\n" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n"
    )
    assert read_alphabet(path) == alphabet


def test_decomposed_accents_are_one_label():
    assert alphabet_of([normal(unicodedata.normalize("NFD", "été"))]).labels == (" ", "t", "é")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n", "no line with a space"),
        ("# only\n", "empty"),
        (" \nab\n", "each label is one"),
        (" \na\na\n", "twice"),
    ],
)
def test_alphabets_that_clients_could_not_use(tmp_path, text, expected):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(UserError, match=expected):
        read_alphabet(tmp_path / "a.txt")


def test_characters_outside_are_named():
    alphabet = Alphabet((" ", "a", "b"))
    assert alphabet.encode("ab a") == [1, 2, 0, 1]
    assert alphabet.decode([1, 2, 0, 1]) == "ab a"
    with pytest.raises(UserError, match="'c' 'ü'"):
        alphabet.encode("cab ü")


def test_serialized_as_the_clients_read_it():
    assert (
        Alphabet((" ", "é")).serialize()
        == b"\x02\x00" + b"\x00\x00\x01\x00 " + b"\x01\x00\x02\x00\xc3\xa9"
    )


def test_collapse():
    assert collapse([3, 0, 0, 3, 0, 1, 1, 2, 3], blank=3) == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("L\u2019eau, c\u2019est \u00ab bon \u00bb !", "l'eau c'est bon"),
        ("Peut-\u00eatre\u2026", "peut \u00eatre"),
        ("en 1984", None),
        ("...", None),
        (unicodedata.normalize("NFD", "\u00c9t\u00e9"), "\u00e9t\u00e9"),
        ("a [b]", None),
    ],
)
def test_written_sentences_become_labels(written, label):
    assert Rules().labels(written) == label


def test_rules_come_from_a_table(tmp_path):
    (tmp_path / "rules.toml").write_text(
        'refuse = "7"\n[replace]\n"n\u00b0" = " num\u00e9ro "\n"\u00b0" = " degr\u00e9s "\n'
        '[[examples]]\ngiven = "x"\nlabels = "x"\n[[examples]]\ngiven = "7"\n'
    )
    rules, examples = read_rules(tmp_path / "rules.toml")
    assert rules.labels("Le N\u00b0 A, 3\u00b0") == "le num\u00e9ro a 3 degr\u00e9s"
    assert [e.labels for e in examples] == ["x", None]
    (tmp_path / "rules.toml").write_text('refused = "7"\n')
    with pytest.raises(UserError, match=r"rules\.toml: .*refused"):
        read_rules(tmp_path / "rules.toml")


def test_numbers_are_spoken_and_letters_folded():
    assert spoken_numbers("12 000 \u20ac, 3,5 fois", "fr").split() == [
        "douze",
        "mille",
        "€,",
        "trois",
        "virgule",
        "cinq",
        "fois",
    ]
    assert spoken_numbers("1.000 mal", "de").split() == ["eintausend", "mal"]
    assert spoken_numbers("1,200.5", "en").split() == [
        "one",
        "thousand,",
        "two",
        "hundred",
        "point",
        "five",
    ]
    assert spoken_numbers("le 12.10.1999", "fr") == "le 12.10.1999"
    assert folded("\u0153uvre \u00e9t\u00e9 \u00df") == "oeuvre ete ss"
    assert Rules(fold=True).labels("\u00c7a va") == "ca va"


def test_bytes_as_labels():
    alphabet = ByteAlphabet()
    assert alphabet.encode("\u00e9") == [0xC2, 0xA8]
    assert alphabet.decode([0xC2, 0xA8]) == "\u00e9"
    assert (alphabet.blank, alphabet.missing("\u4e2d")) == (255, [])
    assert alphabet.serialize()[:7] == b"\xff\x00\x00\x00\x01\x00\x01"


@pytest.mark.parametrize("language", ["tr", "az", "tr-TR"])
def test_casing_of_turkic_languages(language):
    rules = Rules(casing=language)
    assert rules.labels("Işık Isparta İstanbul") == "ışık ısparta istanbul"
    assert lowered("I\u0307stanbul", language) == "istanbul"


def test_casing_elsewhere():
    assert lowered("İstanbul I") == "istanbul i"
    assert lowered("ΟΔΟΣ") == "οδος".replace("σ", "ς") or lowered("ΟΔΟΣ").endswith("ς")
    assert lowered("ÉTÉ") == "été"


def test_capitals_in_replace_match_what_is_written(tmp_path):
    (tmp_path / "rules.toml").write_text('[replace]\n"I" = "ı"\n"Yes" = "aye"\n"q" = "k"\n')
    rules, _ = read_rules(tmp_path / "rules.toml")
    assert rules.labels("Işık") == "ışık"
    assert rules.labels("Yes yes Iraq") == "aye yes ırak"


@pytest.mark.parametrize("table", ['refuse = "X"', 'drop = "É"', 'space = "Ω"'])
def test_rules_that_never_match_are_errors(tmp_path, table):
    (tmp_path / "rules.toml").write_text(table + "\n")
    with pytest.raises(UserError, match="never match"):
        read_rules(tmp_path / "rules.toml")


def test_why_a_sentence_is_refused():
    assert Rules().apply("En 1984") == (
        "",
        "refused by the rules of transcripts (contains '1' '4' '8' '9')",
    )
    assert Rules().apply("...") == ("", "nothing is left by the rules of transcripts")
    assert Rules(fold=True).apply("aɣrum d ɛli")[1] == "letters that have no ASCII form ('ɛ' 'ɣ')"
    assert Rules(fold=True).labels("ça œuf ÅØ") == "ca oeuf ao"


@pytest.mark.parametrize("mark", ["\u00ad", "\u200b", "\ufeff", "\u2060", "\u200e", "\ufe0f"])
def test_invisible_characters_do_not_make_words(mark):
    assert normal(f"sof{mark}t") == "soft"
    assert Rules().labels(f"Sof{mark}t!") == "soft"


def test_joiners_that_change_letters_stay():
    assert normal("می\u200cخواهم") == "می\u200cخواهم"
    assert normal("a \u200d b") == "a b"


def test_labels_that_composition_takes_apart(tmp_path):
    (tmp_path / "a.txt").write_text(" \n\u09dc\n\u09af\u09bc\n", encoding="utf-8")
    assert read_alphabet(tmp_path / "a.txt").labels == (" ", "\u09dc", "\u09df")
    (tmp_path / "b.txt").write_text(" \na\nch\n")
    with pytest.raises(UserError, match=r"b\.txt:3: .*'ch' is 2 characters \(U\+0063 U\+0068\)"):
        read_alphabet(tmp_path / "b.txt")


def test_invisible_characters_are_named_in_messages():
    with pytest.raises(UserError, match=r"U\+200B ZERO WIDTH SPACE"):
        Alphabet((" ", "a")).encode("a\u200b")
