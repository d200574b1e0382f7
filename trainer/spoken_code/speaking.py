"""Code as people say it: one line at a time from left to right, cut where a person would stop.

After Serenade's insert mappings: https://github.com/serenadeai/serenade, corpusgen.
"""

import random
import re
from collections.abc import Iterator
from functools import lru_cache

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


def phrases(line: str, language: Language, rng: random.Random) -> Iterator[str]:
    """What is said for a line of code, in one or more phrases."""
    line = line.strip()
    if language.comment and line.startswith(IN_COMMENT):
        found = [Lexeme("comment", line)]
    else:
        found = _lexed(line, language.name)
    if not found or (found[0].kind == "comment" and not re.search("[A-Za-z]", found[0].text)):
        return
    matched = pairs(found, language.name in GENERIC)
    end = len(found)
    if found[-1].text in ENDS and end > 1 and rng.random() < UNSAID_END:
        end -= 1
    stop, at = PLAIN_STOP if language.name == PLAIN else STOP, 0
    speaker = Speaker(language, rng)
    while at < end:
        said: list[str] = []
        start = at
        while at < end and at - start < LONGEST:
            at = speaker.say_one(found, matched, at, end, said)
            if rng.random() < stop:
                break
        text = " ".join(filter(None, said))
        if text:
            yield text


def said(code: str, language: Language, rng: random.Random) -> str:
    """All of a piece of code."""
    found = _lexed(code, language.name)[:LONGEST]
    words: list[str] = []
    Speaker(language, rng).say(found, pairs(found, language.name in GENERIC), 0, len(found), words)
    return " ".join(filter(None, words))


@lru_cache(maxsize=50_000)
def _lexed(line: str, language: str) -> list[Lexeme]:
    return lexemes(line, language)


class Speaker:
    """Draws the spoken forms of lexemes in one language."""

    def __init__(self, language: Language, rng: random.Random) -> None:
        self.language, self.rng, self.table = language, rng, forms.forms()

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
        kind, text = found[at]
        rng = self.rng
        if rng.random() < FILLER:
            said.append("um" if rng.random() < 0.5 else "uh")
        if kind == "word":
            own = self.language.words.get(text)
            said.append(forms.draw(own, rng) if own else forms.identifier(text, rng))
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
        inside = [one for one in _lexed(text, PLAIN)[:LONGEST] if one.kind != "comment"]
        for kind, word in inside:
            if kind == "word":
                said.append(word.lower() if "'" in word else forms.identifier(word, self.rng))
            elif kind == "number":
                said.append(" point ".join(spoken_number(p, self.rng) for p in word.split(".")))
            elif kind == "symbol":
                said.append(forms.symbol(word, self.rng))
