"""Pairs to learn from: what is said at a place in a file, and the code that it stands for.

Three kinds, after Serenade's corpusgen (mode mapping): `auto-style` writes a spoken text as code in
the style of what is around it; `contextual-language-model` says what may be spoken at a place;
`transcript-parser` finds the commands in a transcript.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trainer.spoken_code import corpus, grammar, snippets, speaking, tokens
from trainer.spoken_code.corpus import rng_of
from trainer.spoken_code.languages import Language
from trainer.spoken_code.tokens import CONTEXT, DELIMITER, ENGLISH, SNIPPET, Tokens

AUTO_STYLE, LANGUAGE_MODEL, PARSER = KINDS = (
    "auto-style", "contextual-language-model", "transcript-parser",
)  # fmt: skip
CONTEXT_TOKENS = 50  # drawn evenly below this
LOOK_BACK = 1500  # tokens in which identifiers are looked for
FEWEST_FOR_STYLE = 25  # tokens of context, below which no identifiers are given
KEEP_STYLE = 0.9
STYLE_TOKENS = 50
WORDS_OF_IDENTIFIERS = range(2, 6)


def spoken_at(source: Sequence[str]) -> int:
    """The place of the token that what is said follows in an input of auto-style, or -1."""
    marks = (i for i, t in enumerate(source) if t == ENGLISH or t.startswith(SNIPPET))
    return max(marks, default=-1)


@dataclass(frozen=True)
class Pair:
    """Tokens in, tokens out. `family`: insert, add, or that of the command; `start` and `end`: the
    characters of the file that the output stands for."""

    input: str
    output: str
    family: str
    start: int
    end: int


class Identifiers:
    """Identifiers of several words in a file: words -> places and tokens."""

    def __init__(self, names: Sequence[str]) -> None:
        self._found: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
        self._names = names
        start, words, at = 0, [], 0
        while at <= len(names):
            name = names[at] if at < len(names) else ""
            case = name in (tokens.CAPITAL, tokens.CAPITALS)
            if case or name == "_" or (name.isalpha() and name.islower()):
                if not case and name != "_":
                    words.append(name)
            else:
                if len(words) > 1:
                    self._found[tuple(words)].append((start, at))
                start, words = at + 1, []
            at += 1

    def within(self, phrase: Sequence[str], first: int, last: int) -> list[list[str]]:
        """Tokens of those between two tokens whose words are in a phrase."""
        found: list[list[str]] = []
        for length in WORDS_OF_IDENTIFIERS:
            for at in range(len(phrase) - length + 1):
                for start, end in self._found.get(tuple(phrase[at : at + length]), ()):
                    if first <= start and end <= last:
                        one = list(self._names[start:end])
                        if one not in found:
                            found.append(one)
        return found


@dataclass(frozen=True)
class Surroundings:
    """A file before a place, as models see it."""

    tokens: Tokens
    identifiers: Identifiers

    @classmethod
    def of(cls, text: str, unit: int | None = None, levels: Sequence[int] = (0,)) -> "Surroundings":
        """Of a cleaned text; `unit` and `levels` as in tokens.encode."""
        found = tokens.encode(text, unit, levels)
        return cls(found, Identifiers(found.names))

    def holds(self, start: int, end: int) -> bool:
        """Whether tokens begin at both characters: not within a contraction ("don't")."""
        starts = self.tokens.starts
        places = (self.tokens.at(start), self.tokens.at(end))
        return all(
            place == len(starts) or starts[place] == character
            for place, character in zip(places, (start, end), strict=True)
        )

    def before(self, at: int, size: int) -> list[str]:
        """`size` tokens before token `at`."""
        return self.tokens.names[max(0, at - size) : at]

    def style(self, phrase: str, at: int, size: int, rng: random.Random | None) -> list[str]:
        """Identifiers farther back that the phrase says; all of them without `rng`."""
        start = max(0, at - size)
        found = self.identifiers.within(phrase.split(), start - LOOK_BACK, start)
        if rng is not None:
            rng.shuffle(found)
            found = [one for one in found if rng.random() < KEEP_STYLE]
        listed: list[str] = []
        for one in found:
            if len(listed) + len(one) < STYLE_TOKENS:
                listed += [*([DELIMITER] if listed else []), *one]
        return listed

    def input(
        self, phrase: str, at: int, size: int, added: bool, rng: random.Random | None = None
    ) -> str:
        """What auto-style reads. `added`: the phrase is of "add"."""
        style = self.style(phrase, at, size, rng) if size >= FEWEST_FOR_STYLE else []
        kind = SNIPPET + snippets.container(phrase) if added else ENGLISH
        return " ".join([*style, CONTEXT, *self.before(at, size), kind, phrase])


def pairs(
    source: bytes, identity: str, language: Language, epoch: int, seed: int, kind: str
) -> Iterator[Pair | None]:
    """The pairs of a file; None for one whose output does not give back the code.

    `source` and `identity` as in corpus.lines.
    """
    if kind == PARSER:
        for family, found in corpus.trees(source, identity, language, epoch, seed):
            said = grammar.transcript(found)
            yield Pair(said, found, family, 0, 0) if grammar.allowed(found) else None
        return
    rng = rng_of(identity, epoch, seed)
    text = tokens.cleaned(source.decode("ascii", "ignore"))
    around = Surroundings.of(text)
    if tokens.decode(around.tokens.names, around.tokens.unit) != text:
        yield None
        return
    constructs = _constructs(text, language, rng) if kind == AUTO_STYLE else iter(())
    for one in (*constructs, *_phrases(text, language, rng)):
        if around.holds(one.start, one.end):
            yield _pair(around, text, one, kind, rng)


@dataclass(frozen=True)
class _Said:
    """A phrase, and the tokens of a construct or none."""

    phrase: str
    start: int
    end: int
    code: tuple[str, ...]


def _constructs(text: str, language: Language, rng: random.Random) -> Iterator[_Said]:
    if language.module:
        for one in snippets.spoken(text.encode("ascii"), language, rng, typed=True):
            if one.code and one.text:
                yield _Said(one.text, one.start, one.end, one.code)


def _phrases(text: str, language: Language, rng: random.Random) -> Iterator[_Said]:
    start = 0
    for line in text.split("\n"):
        for one in speaking.phrases(line, language, rng, typed=True):
            if one.whole:
                yield _Said(one.text, start + one.start, start + one.end, ())
        start += len(line) + 1


def _pair(
    around: Surroundings, text: str, one: _Said, kind: str, rng: random.Random
) -> Pair | None:
    found, at = around.tokens, around.tokens.at(one.start)
    output = one.code or found.names[at : found.at(one.end)]
    if not one.code and tokens.decode(output, found.unit) != text[one.start : one.end]:
        return None
    size, family = rng.randrange(CONTEXT_TOKENS), "add" if one.code else "insert"
    if kind == LANGUAGE_MODEL:
        before = around.before(at, max(size, 1)) or [tokens.NEWLINE]
        return Pair(" ".join(before), one.phrase, family, one.start, one.end)
    given = around.input(one.phrase, at, size, bool(one.code), rng)
    return Pair(given, " ".join(output), family, one.start, one.end)
