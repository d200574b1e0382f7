import pytest

from trainer.text import characters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("नमस्ते, दुनिया!", ["नमस्ते", "दुनिया"]),
        ("ওকে গুগল", ["ওকে", "গুগল"]),
        ("don't stop_it", ["don't", "stop", "it"]),
        ("स्\u200dते", ["स्\u200dते"]),
        ("a\u200b b", ["a", "b"]),
        ("l'eau 12", ["l'eau", "12"]),
    ],
)
def test_words_of_any_script(text, words):
    assert characters.words(text) == words
    assert all(characters.is_word(w) for w in words if not w.isdigit())
    assert not characters.is_word("12")


def test_scripts():
    assert characters.scripts("hey привет 12!") == {"Latn": "h", "Cyrl": "п"}
    assert characters.scripts_of("hi") == {"Deva"}
    assert characters.scripts_of("sr") == {"Cyrl", "Latn"}
    assert characters.scripts_of("ja") == {"Hira", "Kana", "Hani"}
    assert characters.scripts_of("pt-br") == {"Latn"}


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("a", "'a'"),
        (" ", "' '"),
        ("\u00ad", "U+00AD SOFT HYPHEN"),
        ("\t", "U+0009"),
        ("\u00a0", "U+00A0 NO-BREAK SPACE"),
        ("\u0947", "U+0947 DEVANAGARI VOWEL SIGN E"),
    ],
)
def test_characters_in_messages(character, shown):
    assert characters.shown(character) == shown


def test_plain_letters():
    assert characters.plain("Ångström œuf Straße Łódź") == "Angstrom oeuf Strasse Lodz"
    assert characters.plain("привет") == "привет"
