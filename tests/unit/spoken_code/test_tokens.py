"""Code as tokens and back."""

import random

import pytest

from trainer.spoken_code import tokens
from trainer.spoken_code.tokens import cleaned, decode, encode, levels_at, unit_of

NESTED = """\
class Shape:

    def area(self):
        if self.width <= 0:
            return None

        return (self.width *
                self.height)


print(Shape())
"""


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (
            "List<String> elements = new ArrayList<>();",
            "C list < C string > SP elements SP = SP new SP C array C list < > ( ) ;",
        ),
        ("HTTPServer", "A http C server"),
        ("MAX_SIZE_10", "A max _ A size _ 1 0"),
        ("x == 1:\n    y", "x SP = = SP 1 : I y"),
        ("# don't, isn't it's", "# SP don't , SP isn't SP it's"),
        ("b'd'", "b ' d '"),
    ],
)
def test_tokens_are_those_of_the_reference(code, names):
    assert " ".join(encode(code).names) == names
    assert decode(names.split()) == code


def test_each_level_of_indentation_that_ends_is_a_token():
    found = encode(NESTED)
    assert decode(found.names, found.unit) == NESTED
    assert found.names[found.at(NESTED.index("print")) - 2 :][:2] == ["D", "D"]


def test_alignment_that_is_no_multiple_of_the_unit():
    code = "call(a,\n     b)\nnext"
    assert encode(code).names == ["call", "(", "a", ",", "I", "SP", "b", ")", "D", "next"]
    odd = "  x\n      y\n   z\nw\n\n\n  v"
    for unit in (2, 3, 4, 8):
        assert decode(encode(odd, unit).names, unit) == odd


def test_the_unit_is_the_usual_step():
    assert unit_of("a:\n  b:\n    c\n") == 2
    assert unit_of(NESTED) == 4
    assert unit_of("a\nb") == 4


def test_random_text_round_trips():
    rng = random.Random(1)
    alphabet = "aB c_9\n (){}'\".:=don't \n    "
    for _ in range(500):
        text = cleaned("".join(rng.choice(alphabet) for _ in range(rng.randrange(80))))
        found = encode(text)
        assert decode(found.names, found.unit) == text


def test_what_is_put_into_a_block_is_indented_by_it():
    before = "def f():\n    if x:\n        "
    levels = levels_at(before, 4)
    assert levels == [0, 4, 8]
    assert levels_at("a:\n  b:\n\n      c\n\n", 2) == [0]
    assert levels_at("a:\n  b:\n\n      c\n\n  ", 2) == [0, 2]
    assert decode("a NL b I c D D d".split(), 4, levels) == "a\n        b\n            c\n    d"


def test_the_cursor_and_dedents_below_the_margin():
    assert decode("def SP f ( ) : I pass CRSR".split()) == "def f():\n    pass\0"
    assert decode("x D D D y".split()) == "x\ny"


def test_cleaning_keeps_what_tokens_keep():
    assert cleaned("a\tb \u2603\x0c\n  \nc  ") == "a   b\n\nc"
    assert tokens.encode(cleaned("\x00\x1b")).names == []
