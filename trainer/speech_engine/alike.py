"""Which commands sound alike: fixed commands of the grammar, by distance of their phones."""

import random
from collections.abc import Mapping, Sequence

import numpy as np

from trainer.spoken_code.grammar import commands

DRAWS = 40
MOST = 420
LONGEST_WORDS = 4
PAIRS = 50


class _HasText(Exception):
    """The drawn command contains text of a file."""


def fixed_commands() -> dict[str, str]:
    """Phrase -> command, of phrases without text, numbers spelled out once."""
    rng = random.Random(0)
    found: dict[str, str] = {}

    def text() -> str:
        raise _HasText

    for name, command in commands().items():
        for _ in range(DRAWS):
            words: list[str] = []
            try:
                command.draw(rng, text, words)
            except _HasText:
                continue
            phrase = " ".join(words)
            if phrase and phrase.count(" ") < LONGEST_WORDS and len(phrase) > 2:
                found.setdefault(phrase, name)
    return found


def pairs(lexicon: Mapping[str, Sequence[str]]) -> list[tuple[str, str, float]]:
    """(phrase, phrase of another command, distance a phone), the nearest first."""
    known = fixed_commands()
    phrases = [p for p in sorted(known) if all(w in lexicon for w in p.split())]
    rng = random.Random(0)
    rng.shuffle(phrases)
    phrases = sorted(phrases[:MOST], key=len)
    phones = [[p for w in one.split() for p in lexicon[w][0].split()] for one in phrases]
    found = []
    for i, a in enumerate(phrases):
        for j in range(i + 1, len(phrases)):
            short, long = phones[i], phones[j]
            if len(long) > 1.5 * len(short) + 1:
                continue
            if known[a] != known[phrases[j]] and not _contains(a, phrases[j]):
                distance = _distance(short, long) / max(len(short), len(long))
                found.append((a, phrases[j], round(distance, 3)))
    return sorted(found, key=lambda one: (one[2], one[0], one[1]))[:PAIRS]


def _contains(a: str, b: str) -> bool:
    return f" {a} " in f" {b} " or f" {b} " in f" {a} "


def _distance(a: Sequence[str], b: Sequence[str]) -> float:
    """Levenshtein; vowels for vowels and consonants for consonants count half."""
    row = np.arange(len(b) + 1, dtype=float).tolist()
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], float(i)
        for j, y in enumerate(b, 1):
            cost = 0.0 if x == y else 0.5 if (x[0] in "AEIOU") == (y[0] in "AEIOU") else 1.0
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + cost)
    return row[-1]
