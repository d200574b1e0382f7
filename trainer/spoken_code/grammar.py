"""The grammar of editor commands (commands.toml): parsed once, then drawn from."""

import random
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from trainer.spoken_code.forms import forms
from trainer.spoken_code.numbers import spoken as spoken_number

TABLE = Path(__file__).with_name("commands.toml")
PIECES = re.compile(r"\(|\)|\[|\]|\||\{\w+\}|[a-z']+")
PERHAPS = 0.5
# rules that trees show, and as what
TAGS = {
    name: name
    for name in (
        "object", "objects", "ordinal", "key", "modifier", "direction", "times", "app", "language",
        "file", "number", "letters",
    )
} | {"small": "number", "named": "key", "text": "formattedText"}  # fmt: skip
NUMBERS = ((0.70, 0, 9), (0.75, 10, 19), (0.95, 1, 99), (0.953, 100, 1000), (1.01, 1, 999))

Slots = Callable[[], str]  # text of the file, phrase by phrase
# draws words: (random numbers, text slots, where to put the words)
Draw = Callable[[random.Random, Slots, list[str]], None]


@dataclass(frozen=True)
class Command:
    """A command, the family that reports count it in, and how to draw what is said."""

    name: str
    family: str
    draw: Draw


def _table() -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """(name, entry, rules that it may use) of each command."""
    given = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    rules = {name: "".join(text) for name, text in given.pop("rules").items()}
    for name, one in given.items():
        yield name, one, rules | {k: v for k, v in one.items() if k not in ("family", "say")}


@cache
def commands(trees: bool = False) -> dict[str, Command]:
    """All commands by name; with `trees`, what they draw is marked up: <number> five </number>."""
    found: dict[str, Command] = {}
    known: dict[str, Draw] = {}
    for name, one, rules in _table():
        drawers = known if len(one) == 2 else {}  # only family and say: no rules of its own
        draw = _Parser(rules, drawers, trees).rule(one["say"])
        found[name] = Command(name, one["family"], _marked(name, draw) if trees else draw)
    return found


def tree(commands_: list[str]) -> str:
    """A chain of marked-up commands as one tree, as Serenade writes it."""
    inside = " ".join(f"<command> {one} </command>" for one in commands_)
    return f"<main> <commandChain> {inside} </commandChain> </main>"


def transcript(tree_: str) -> str:
    """The words of a tree."""
    return " ".join(word for word in tree_.split() if word[0] != "<")


WRITTEN = re.compile(
    r"<(add|insert|type|dictate|bare)> (?:\w+ )*<formattedText> ([^<]+) </formattedText>"
)


def written_text(tree_: str) -> str:
    """What the first text command of a tree writes, with "add" before a construct, or nothing."""
    found = WRITTEN.search(tree_)
    if found is None:
        return ""
    return f"add {found[2]}" if found[1] == "add" else found[2]


@cache
def _tree_pattern() -> re.Pattern[str]:
    options = [f"<{name}> {_pattern(one['say'], rules)}</{name}> " for name, one, rules in _table()]
    command = f"<command> (?:{'|'.join(options)})</command> "
    return re.compile(f"<main> <commandChain> (?:{command})+</commandChain> </main> ")


def _pattern(rule: str, rules: dict[str, str]) -> str:
    """The regular expression of a rule, each word with a blank behind it."""
    out = []
    for piece in PIECES.findall(rule):
        if piece in "(|)":
            out.append("(?:" if piece == "(" else piece)
        elif piece in "[]":
            out.append("(?:" if piece == "[" else ")?")
        elif piece[0] == "{":
            name = piece[1:-1]
            inside = _pattern(rules[name], rules) if name in rules else "(?:[a-z'\\d]\\S* )+"
            tag = TAGS.get(name)
            out.append(f"<{tag}> {inside}</{tag}> " if tag else inside)
        else:
            out.append(f"{piece} ")
    return f"(?:{''.join(out)})"


def allowed(tree_: str) -> bool:
    """Whether a tree is one of the grammar."""
    return _tree_pattern().fullmatch(f"{tree_} ") is not None


class _Parser:
    """A recursive descent over the pieces of a rule."""

    def __init__(self, rules: dict[str, str], known: dict[str, Draw], trees: bool) -> None:
        self.rules, self.known, self.trees = rules, known, trees

    def rule(self, text: str) -> Draw:
        pieces = iter([*PIECES.findall(text), ")"])
        return self._choice(pieces)

    def _choice(self, pieces: Iterator[str], end: str = ")") -> Draw:
        options: list[list[Draw]] = [[]]
        for piece in pieces:
            if piece == end:
                break
            if piece == "|":
                options.append([])
            elif piece == "(":
                options[-1].append(self._choice(pieces))
            elif piece == "[":
                options[-1].append(_perhaps(self._choice(pieces, "]")))
            elif piece[0] == "{":
                options[-1].append(self._slot(piece[1:-1]))
            else:
                options[-1].append(_word(piece))
        sequences = [one[0] if len(one) == 1 else _sequence(one) for one in options]
        return sequences[0] if len(sequences) == 1 else _one_of(sequences)

    def _slot(self, name: str) -> Draw:
        if name not in self.known:
            draw = _SLOTS.get(name) or self.rule(self.rules[name])
            marked = self.trees and name in TAGS
            self.known[name] = _marked(TAGS[name], draw) if marked else draw
        return self.known[name]


def _marked(tag: str, draw: Draw) -> Draw:
    def marked(rng: random.Random, slots: Slots, out: list[str]) -> None:
        out.append(f"<{tag}>")
        draw(rng, slots, out)
        out.append(f"</{tag}>")

    return marked


def _word(text: str) -> Draw:
    return lambda rng, slots, out: out.append(text)


def _sequence(parts: list[Draw]) -> Draw:
    def draw(rng: random.Random, slots: Slots, out: list[str]) -> None:
        for part in parts:
            part(rng, slots, out)

    return draw


def _one_of(options: list[Draw]) -> Draw:
    count = len(options)
    return lambda rng, slots, out: options[int(rng.random() * count)](rng, slots, out)


def _perhaps(part: Draw) -> Draw:
    return lambda rng, slots, out: part(rng, slots, out) if rng.random() < PERHAPS else None


def _number(rng: random.Random, slots: Slots, out: list[str]) -> None:
    share = rng.random()
    low, high = next((low, high) for limit, low, high in NUMBERS if share < limit)
    out.append(spoken_number(str(rng.randint(low, high)), rng))


def _small(rng: random.Random, slots: Slots, out: list[str]) -> None:
    high = 9 if rng.random() < 0.8 else 99
    out.append(spoken_number(str(rng.randint(1, high)), rng))


def _letters(rng: random.Random, slots: Slots, out: list[str]) -> None:
    if rng.random() < 0.3:
        out.append(" ".join(rng.choice(_ACRONYMS)))
    else:
        out.append(" ".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 8))))


_ACRONYMS = sorted(one for one in forms().acronyms if one.isalpha())
_SLOTS: dict[str, Draw] = {
    "number": _number,
    "small": _small,
    "letters": _letters,
    "text": lambda rng, slots, out: out.append(slots()),
}
