"""Spoken forms: what is said for code, and back."""

import random

import pytest

from trainer.spoken_code import forms, languages, numbers, speaking, writing

PYTHON = languages.table()["python"]


def test_numbers_invert():
    rng = random.Random(0)
    some = [*range(0, 130), 1001, 1100, 1999, 2026, 9999, 10_000, 1_000_000, 12_345_678]
    some += [rng.randint(0, 10**size) for size in range(1, 10) for _ in range(50)]
    for number in some:
        for _ in range(6):
            said = numbers.spoken(str(number), rng)
            assert numbers.written(said.split()) == str(number), said


def test_leading_zeros_and_long_numbers_are_said_digit_by_digit():
    rng = random.Random(1)
    assert numbers.spoken("007", rng).split()[-1] == "seven"
    assert len(numbers.spoken("12345678901", rng).split()) == 11
    assert numbers.written("zero zero seven".split()) == "007"


@pytest.mark.parametrize("example", forms.forms().examples, ids=lambda e: e["spoken"])
def test_examples_invert(example):
    language = languages.table()[example["language"]]
    assert writing.written(example["spoken"], language) == example["code"]
    drawn = {speaking.said(example["code"], language, random.Random(i)) for i in range(400)}
    assert example["spoken"] in drawn


def test_every_symbol_is_read_back():
    """Each form of each symbol gives code again that contains the symbol or its meaning."""
    for symbol, phrases in forms.forms().symbols.items():
        first = phrases[0]
        if first in ("and", "or", "not"):  # words of Python
            continue
        found = writing.written(f"a {first} b", PYTHON)
        others = [s for s, all_ in forms.forms().symbols.items() if first in all_]
        assert any(one in found for one in others), (symbol, first, found)


@pytest.mark.parametrize(
    ("text", "style", "words"),
    [
        ("MAX_SIZE", "caps", ("MAX", "SIZE")),
        ("foo_bar2", "snake", ("foo", "bar", "2")),
        ("HTTPServer", "pascal", ("HTTP", "Server")),
        ("maxRetryCount", "camel", ("max", "Retry", "Count")),
        ("Foo", "capital", ("Foo",)),
        ("font-size", "dash", ("font", "size")),
        ("x", "lower", ("x",)),
    ],
)
def test_styles(text, style, words):
    assert forms.parts(text)[1:3] == (style, words)


def test_dunder():
    said = {forms.identifier("__init__", random.Random(i)) for i in range(50)}
    assert "dunder init" in said


def test_enclosures_and_strings():
    said = {speaking.said('f(a, "b c")', PYTHON, random.Random(i)) for i in range(300)}
    assert "f of a comma string b c" in said
    assert any("left paren" in one for one in said)


def test_the_end_of_a_line_is_mostly_silent():
    language = languages.table()["java"]
    lines = [
        " ".join(one.text for one in speaking.phrases("return x;", language, random.Random(i)))
        for i in range(99)
    ]
    assert sum("semi" in one for one in lines) < 25
