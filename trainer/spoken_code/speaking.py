"""Code as people say it: one line at a time from left to right, cut where a person would stop.

After Serenade's insert mappings: https://github.com/serenadeai/serenade, corpusgen.
"""

import random
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from trainer.spoken_code import forms
from trainer.spoken_code.languages import PLAIN, Language
from trainer.spoken_code.lexer import GENERIC, Lexeme, lexemes, pairs
from trainer.spoken_code.numbers import spoken as spoken_number

STOP = 0.07  # after each lexeme: the rest is another phrase
PLAIN_STOP = 0.12
ENCLOSED = 0.9
UNSAID_END = 0.9  # a last semicolon, comma, colon or brace
FILLER = 0.005
IN_COMMENT = ("* ", "/*", "*/", "<!--")
LONGEST = 30  # lexemes
ENDS = {";", ",", "{", ":", "}"}


class Phrase(NamedTuple):
    """What is said for the code from `start` to `end` of a line. `whole`: nothing in it was left
    out, so that the code can be written from the words."""

    text: str
    start: int
    end: int
    whole: bool


def phrases(
    line: str, language: Language, rng: random.Random, typed: bool = False
) -> Iterator[Phrase]:
    """What is said for a line of code, in one or more phrases. `typed`: see Speaker."""
    blanks = len(line) - len(line.lstrip())
    line = line.strip()
    if language.comment and line.startswith(IN_COMMENT):
        found = [Lexeme("comment", line, 0)]
    else:
        found = _lexed(line, language.name)
    if not found or (found[0].kind == "comment" and not re.search("[A-Za-z]", found[0].text)):
        return
    matched = pairs(found, language.name in GENERIC)
    end = len(found)
    if found[-1].text in ENDS and end > 1 and rng.random() < UNSAID_END:
        end -= 1
    stop, at = PLAIN_STOP if language.name == PLAIN else STOP, 0
    speaker = Speaker(language, rng, typed)
    while at < end:
        words: list[str] = []
        start, speaker.whole = at, True
        while at < end and at - start < LONGEST:
            at = speaker.say_one(found, matched, at, end, words)
            if rng.random() < stop:
                break
        text = " ".join(filter(None, words))
        if text:
            first, last = found[start].start, found[at - 1].end
            whole = speaker.whole and _covers(found[start:at], line, first, last)
            yield Phrase(text, blanks + first, blanks + last, whole)


def _covers(found: list[Lexeme], line: str, start: int, end: int) -> bool:
    """Whether lexemes hold all of a part of a line but blanks."""
    for one in found:
        if line[start : one.start].strip():
            return False
        start = one.end
    return not line[start:end].strip()


def said(code: str, language: Language, rng: random.Random, typed: bool = False) -> str:
    """All of a piece of code; empty with `typed` if a part of it cannot be said."""
    found = _lexed(code, language.name)
    words: list[str] = []
    speaker = Speaker(language, rng, typed)
    end = min(len(found), LONGEST)
    speaker.say(found[:end], pairs(found[:end], language.name in GENERIC), 0, end, words)
    if typed and not (speaker.whole and _covers(found[:end], code, 0, len(code))):
        return ""
    return " ".join(filter(None, words))


@lru_cache(maxsize=50_000)
def _lexed(line: str, language: str) -> list[Lexeme]:
    return lexemes(line, language)


class Speaker:
    """Draws the spoken forms of lexemes in one language.

    `typed`: for models that write the code again: no fillers, nothing spelled. `whole` turns false
    when a part of a string or comment is not said.
    """

    def __init__(self, language: Language, rng: random.Random, typed: bool = False) -> None:
        self.language, self.rng, self.table = language, rng, forms.forms()
        self.typed, self.whole = typed, True

    def say(
        self, found: list[Lexeme], matched: dict[int, int], at: int, end: int, said: list[str]
    ) -> None:
        """Append the words of lexemes `at` to `end`."""
        while at < end:
            at = self.say_one(found, matched, at, end, said)

    def say_one(
        self, found: list[Lexeme], matched: dict[int, int], at: int, end: int, said: list[str]
    ) -> int:
        """Append the words of the lexeme, or of the enclosure, at `at`; returns what comes next."""
        kind, text, _ = found[at]
        rng = self.rng
        if not self.typed and rng.random() < FILLER:
            said.append("um" if rng.random() < 0.5 else "uh")
        if kind == "word":
            own = self.language.words.get(text)
            said.append(forms.draw(own, rng) if own else forms.identifier(text, rng, self.typed))
        elif kind == "symbol":
            close = matched.get(at)
            if close is not None and close < end and rng.random() < ENCLOSED:
                pair = text + found[close].text
                if close == at + 1:
                    said.append(forms.draw(self.table.empty[pair], rng))
                else:
                    said.append(rng.choice(self.table.enclosures[pair]))
                    self.say(found, matched, at + 1, close, said)
                return close + 1
            own = self.language.words.get(text)
            said.append(forms.draw(own, rng) if own else forms.symbol(text, rng))
        elif kind == "number":
            said.append(" point ".join(spoken_number(part, rng) for part in text.split(".")))
        elif kind == "string":
            self._string(text, said)
        else:
            said.append("comment" if rng.random() < 0.7 else "add comment")
            self._prose(text.lstrip("#/*!<>- "), said)
        return at + 1

    def _string(self, text: str, said: list[str]) -> None:
        quotes, body = text[0] * 2, text[1:-1]
        if not body.strip():
            said.append(forms.draw(self.table.empty[quotes], self.rng))
            return
        said.append(self.rng.choice(self.table.enclosures[quotes]))
        self._prose(body, said)

    def _prose(self, text: str, said: list[str]) -> None:
        found = _lexed(text, PLAIN)[:LONGEST]
        self.whole = self.whole and _covers(found, text, 0, len(text))
        for kind, word, _ in found:
            if kind == "word":
                said.append(
                    word.lower() if "'" in word else forms.identifier(word, self.rng, self.typed)
                )
            elif kind == "number":
                said.append(" point ".join(spoken_number(p, self.rng) for p in word.split(".")))
            elif kind == "symbol":
                said.append(forms.symbol(word, self.rng))
