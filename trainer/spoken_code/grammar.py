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


@cache
def commands() -> dict[str, Command]:
    """All commands by name."""
    given = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    rules = {name: "".join(text) for name, text in given.pop("rules").items()}
    found: dict[str, Command] = {}
    known: dict[str, Draw] = {}
    for name, one in given.items():
        own = rules | {k: v for k, v in one.items() if k not in ("family", "say")}
        drawers = known if own == rules else {}
        found[name] = Command(name, one["family"], _Parser(own, drawers).rule(one["say"]))
    return found


class _Parser:
    """A recursive descent over the pieces of a rule."""

    def __init__(self, rules: dict[str, str], known: dict[str, Draw]) -> None:
        self.rules, self.known = rules, known

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
        if name in _SLOTS:
            return _SLOTS[name]
        if name not in self.known:
            self.known[name] = self.rule(self.rules[name])
        return self.known[name]


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
        out.append(" ".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 8))))


_ACRONYMS = sorted(one for one in forms().acronyms if one.isalpha())
_SLOTS: dict[str, Draw] = {
    "number": _number,
    "small": _small,
    "letters": _letters,
    "text": lambda rng, slots, out: out.append(slots()),
}
