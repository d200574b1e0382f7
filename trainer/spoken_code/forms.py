"""Spoken forms of symbols, enclosures and identifiers, as drawn for a corpus."""

import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from trainer.spoken_code.numbers import spoken as spoken_number

TABLE = Path(__file__).with_name("forms.toml")
COMMON = 0.8  # share of the first form
ALIAS = 0.1
ACRONYM = 0.6
SPELLED = 0.01  # of short words, letter by letter
SILENT_UNDERSCORE = 0.8
DELIMITERS = 0.5  # "foo underscore bar" after a style that joins words
WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
STYLES = (
    ("caps", re.compile(r"[A-Z0-9]*[A-Z][A-Z0-9]+(_[A-Z0-9]+)*")),
    ("snake", re.compile(r"[a-z0-9]+(_[a-z0-9]+)+")),
    ("dash", re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")),
    ("lower", re.compile(r"[a-z]+\d*")),
    ("capital", re.compile(r"[A-Z][a-z]*\d*")),
    ("pascal", re.compile(r"([A-Z]+[a-z0-9]*)+")),
    ("camel", re.compile(r"[a-z]+[a-z0-9]*([A-Z]+[a-z0-9]*)+")),
)
JOINTS = {"snake": "underscore", "dash": "dash", "caps": "underscore"}


@dataclass(frozen=True)
class Forms:
    """forms.toml."""

    symbols: dict[str, list[str]]
    enclosures: dict[str, list[str]]
    empty: dict[str, list[str]]
    styles: dict[str, list[str]]
    shares: dict[str, float]
    aliases: dict[str, list[str]]
    examples: list[dict[str, str]]
    acronyms: frozenset[str]


@cache
def forms() -> Forms:
    """The tables."""
    given = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    acronyms = frozenset(given.pop("acronyms")["words"].split())
    return Forms(**given, acronyms=acronyms)


def symbol(text: str, rng: random.Random) -> str:
    """A form of a symbol of forms.toml, the first one most of the time."""
    return draw(forms().symbols[text], rng)


def draw(given: list[str], rng: random.Random) -> str:
    """The first with COMMON, any other else."""
    if len(given) == 1 or rng.random() < COMMON:
        return given[0]
    return given[1 + int(rng.random() * (len(given) - 1))]


@lru_cache(maxsize=200_000)
def parts(text: str) -> tuple[str, str, tuple[str, ...], str]:
    """(leading underscores, style or empty, words and digits in lower case, trailing underscores)
    of an identifier."""
    body = text.strip("_")
    lead, tail = text[: len(text) - len(text.lstrip("_"))], text[len(text.rstrip("_")) :]
    style = next((name for name, pattern in STYLES if pattern.fullmatch(body)), "")
    return lead if body else text, style, tuple(WORDS.findall(body)), tail if body else ""


def identifier(text: str, rng: random.Random, typed: bool = False) -> str:
    """Words of an identifier, sometimes with the name of its style in front. `typed`: none of them
    is spelled letter by letter."""
    table, random_ = forms(), rng.random
    lead, style, words, tail = parts(text)
    said: list[str] = []
    if lead:
        if len(lead) >= 2:
            said.append("dunder" if tail or random_() < 0.5 else "double underscore")
        elif not words or random_() > SILENT_UNDERSCORE:
            said.append("underscore")
    joint = ""
    if style and random_() < table.shares[style]:
        said.append(draw(table.styles[style], rng))
        if style in JOINTS and len(words) > 1 and random_() < DELIMITERS:
            said.pop()
            joint = JOINTS[style]
    for number, one in enumerate(words):
        if joint and number:
            said.append(joint)
        said.append(spoken_number(one, rng) if one.isdigit() else _word(one.lower(), rng, typed))
    return " ".join(said)


def _word(word: str, rng: random.Random, typed: bool) -> str:
    table = forms()
    draw_ = rng.random()
    if typed:
        alias = draw_ < ALIAS and word in table.aliases
        return table.aliases[word][0] if alias else word
    if word in table.acronyms:
        return " ".join(word) if draw_ < ACRONYM else word
    if draw_ < ALIAS and word in table.aliases:
        return table.aliases[word][0]
    if draw_ > 1 - SPELLED and len(word) < 8:
        return " ".join(word)
    return word
