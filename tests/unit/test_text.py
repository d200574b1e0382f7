"""Alphabets: their file, their form in models, what is outside of them."""

import unicodedata

import pytest

from trainer.text import Alphabet, TextError, alphabet_of, cleaned, collapse, normal, read_alphabet


def test_file_keeps_hash_space_and_accents(tmp_path):
    path = tmp_path / "alphabet.txt"
    alphabet = Alphabet((" ", "#", "a", "é"))
    alphabet.write(path)
    path.write_bytes(b"\xef\xbb\xbf# a comment\r\n" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert read_alphabet(path) == alphabet


def test_decomposed_accents_are_one_label():
    assert alphabet_of([normal(unicodedata.normalize("NFD", "été"))]).labels == (" ", "t", "é")


@pytest.mark.parametrize(("text", "told"), [
    ("a\nb\n", "no line with a space"), ("# only\n", "empty"), (" \nab\n", "each label is one"), (" \na\na\n", "twice"),
])
def test_alphabets_that_clients_could_not_use(tmp_path, text, told):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(TextError, match=told):
        read_alphabet(tmp_path / "a.txt")


def test_characters_outside_are_named():
    alphabet = Alphabet((" ", "a", "b"))
    assert alphabet.encode("ab a") == [1, 2, 0, 1]
    assert alphabet.decode([1, 2, 0, 1]) == "ab a"
    with pytest.raises(TextError, match="'c' 'ü'"):
        alphabet.encode("cab ü")


def test_serialized_as_the_clients_read_it():
    assert Alphabet((" ", "é")).serialize() == b"\x02\x00" + b"\x00\x00\x01\x00 " + b"\x01\x00\x02\x00\xc3\xa9"


def test_collapse():
    assert collapse([3, 0, 0, 3, 0, 1, 1, 2, 3], blank=3) == [0, 0, 1, 2]


@pytest.mark.parametrize(("written", "label"), [
    ("L\u2019eau, c\u2019est \u00ab bon \u00bb !", "l'eau c'est bon"), ("Peut-\u00eatre\u2026", "peut \u00eatre"), ("en 1984", None), ("...", None),
    (unicodedata.normalize("NFD", "\u00c9t\u00e9"), "\u00e9t\u00e9"), ("a [b]", None),
])
def test_written_sentences_become_labels(written, label):
    assert cleaned(written) == label
