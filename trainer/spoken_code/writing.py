"""Spoken phrases back to code, by the tables alone: symbols, enclosures, styles, numbers.

What is ambiguous gets the plainest reading; a model does better (code engines). It proves that the
tables invert, and is what models are compared with.
"""

from functools import cache

from trainer.spoken_code.forms import forms
from trainer.spoken_code.languages import Language
from trainer.spoken_code.lexer import CLOSING
from trainer.spoken_code.numbers import written as written_number

KEYWORDS = frozenset(
    """if else elif for while return import from def class function const let var new in not and or
 is none true false null this self await async yield try except raise throw with as public private
 static void lambda""".split()
)
OWN_STYLE = {"python": "snake", "ruby": "snake", "rust": "snake", "bash": "snake"}
LONGEST_FORM = 7  # words


@cache
def _forms() -> dict[str, tuple[str, str]]:
    """Phrase -> (kind, symbol, pair or style)."""
    table = forms()
    found: dict[str, tuple[str, str]] = {}
    for kind, given in (
        ("symbol", table.symbols),
        ("enclosure", table.enclosures),
        ("empty", table.empty),
        ("style", table.styles),
    ):
        for text, phrases in given.items():
            for phrase in phrases:
                found.setdefault(phrase, (kind, text))
    # the usual readings of what stands for several
    return found | {
        "of": ("enclosure", "()"),
        "string": ("enclosure", '""'),
        "empty string": ("empty", '""'),
        "minus": ("symbol", "-"),
        "not": ("word", "not"),
        "and": ("word", "and"),
        "or": ("word", "or"),
        "is": ("word", "is"),
    }


def written(phrase: str, language: Language) -> str:
    """The code of a phrase."""
    words, tokens = phrase.split(), _Tokens(language)
    at = 0
    while at < len(words):
        for length in range(min(LONGEST_FORM, len(words) - at), 0, -1):
            part = words[at : at + length]
            form = _forms().get(" ".join(part))
            if form and form[0] != "word":
                tokens.form(*form)
                break
            digits = written_number(part)
            if digits and part[0] != "a" and part != ["o"]:
                tokens.word(digits)
                break
        else:
            length = 1
            tokens.word(words[at])
        at += length
    return tokens.finish()


class _Tokens:
    def __init__(self, language: Language) -> None:
        self._own = OWN_STYLE.get(language.name, "camel")
        self._language = language
        self._out: list[str] = []
        self._closing: list[str] = []
        self._words: list[str] = []
        self._style = ""

    def word(self, text: str) -> None:
        """A word of an identifier, a number, or a keyword."""
        if text in KEYWORDS and not self._style and '"' not in self._closing:
            self._flush()
            spoken = {form: code for code, all_ in self._language.words.items() for form in all_}
            self._out.append(spoken.get(text, text))
        else:
            self._words.append(text)

    def form(self, kind: str, text: str) -> None:
        """A symbol, an enclosure of what follows, an empty one, or a style."""
        self._flush()
        if kind == "style":
            self._style = text
        elif kind == "enclosure":
            self._out.append(("call" if text in ("()", "[]") else "open") + text[0])
            self._closing.append(CLOSING.get(text[0], text[0]))
        else:
            self._out.append(text if kind == "symbol" else f"call{text}")

    def _flush(self) -> None:
        if self._words:
            text = " ".join(self._words) if '"' in self._closing else self._joined()
            self._out.append(text)
        self._words, self._style = [], ""

    def _joined(self) -> str:
        words, style = self._words, self._style or self._own
        if style == "snake":
            return "_".join(words)
        if style == "dash":
            return "-".join(words)
        if style == "caps":
            return "_".join(words).upper()
        first = words[0].capitalize() if style in ("pascal", "capital") else words[0]
        rest = words[1:] if style == "lower" else [word.capitalize() for word in words[1:]]
        return first + "".join(rest)

    def finish(self) -> str:
        """All with blanks as people write them."""
        self._flush()
        text, before = "", ""
        for token in [*self._out, *reversed(self._closing)]:
            shown = token.removeprefix("call").removeprefix("open") or token
            blank = bool(text) and not (
                token in (".", ",", ")", "]", "}", '"', ";", ":", "::")
                or (token.startswith("call") and token != shown and before not in KEYWORDS)
                or before in (".", "call(", "call[", 'open"', "open{", "(", "[", "@", "!", "::")
            )
            blank = blank and (before, token) != ('open"', '"')
            text += (" " if blank else "") + shown
            before = token
        return text
