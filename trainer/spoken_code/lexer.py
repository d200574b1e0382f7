"""Lines of source code as lexemes: words, numbers, symbols, strings, comments."""

import re
from functools import cache
from typing import NamedTuple

from trainer.spoken_code.forms import forms
from trainer.spoken_code.languages import PLAIN, table

CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
GENERIC = {"java", "cplusplus", "csharp", "kotlin", "javascript", "rust", "dart"}
DASHED = {"html", "scss", "bash"}  # names such as font-size


class Lexeme(NamedTuple):
    """Kinds: word, number, symbol, string (with its quotes), comment. `start`: in its line."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The character behind it."""
        return self.start + len(self.text)


@cache
def _pattern(language: str) -> re.Pattern[str]:
    symbols = sorted(forms().symbols, key=len, reverse=True)
    comments = "|".join(re.escape(mark) for mark in table()[language].comment)
    word = r"[A-Za-z_][A-Za-z0-9_]*"
    if language in DASHED:
        word = r"[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*"
    if language == PLAIN:
        word = r"[A-Za-z]+(?:'[a-z]+)?"
    string = r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\\n]|\\.)*`'
    if language != PLAIN:
        string += r"|'(?:[^'\\\n]|\\.)*'"
    return re.compile(
        rf"(?P<space>[ \t\r\f\v]+)|(?P<comment>(?:{comments or '(?!)'}).*)|(?P<string>{string})"
        rf"|(?P<word>{word})|(?P<number>\d+(?:\.\d+)?)"
        rf"|(?P<symbol>{'|'.join(map(re.escape, symbols))})"
    )


def lexemes(line: str, language: str) -> list[Lexeme]:
    """Of one line; characters that have no spoken form are left out."""
    return [
        Lexeme(m.lastgroup, m[0], m.start())
        for m in _pattern(language).finditer(line)
        if m.lastgroup and m.lastgroup != "space"
    ]


def pairs(found: list[Lexeme], generic: bool) -> dict[int, int]:
    """Opening -> closing bracket, by number of the lexeme; < > only where they enclose types."""
    waiting: list[tuple[str, int]] = []
    matched: dict[int, int] = {}
    for i, (kind, text, _) in enumerate(found):
        if kind != "symbol":
            continue
        if text in "([{" or (text == "<" and generic):
            waiting.append((CLOSING[text], i))
        elif text in ")]}>":
            while waiting and waiting[-1][0] == ">" != text:
                waiting.pop()
            if waiting and waiting[-1][0] == text:
                matched[waiting.pop()[1]] = i
        elif text in ("&&", "||", ";") and waiting and waiting[-1][0] == ">":
            waiting.pop()
    return matched
