"""Spoken text to code at a place in a file, and transcripts to commands."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.code_engine.engine import Engine, Hypothesis
from trainer.errors import UserError
from trainer.spoken_code import grammar
from trainer.spoken_code.pairs import AUTO_STYLE, LANGUAGE_MODEL, PARSER
from trainer.spoken_code.place import Place
from trainer.spoken_code.tokens import LINES, SPACE

WRITING = ("insert", "type", "dictate")  # commands whose text is code
MOST_LINES, MOST_SPACES = 4, 8  # as many in a row are rejected, as Serenade does
WORTH = 8.0  # how much less likely code that parses may be, and still come first
LEAST_CONFIDENCE = 1e-6
PARSED, VALID = 20, 10  # hypotheses of the parser that are looked at, and that are kept


@dataclass(frozen=True)
class Code:
    """Code for a place. `cursor`: where it is then, a character of the code; `cost`: the negative
    log-probability; `valid`: it adds nothing that does not parse."""

    code: str
    cursor: int
    cost: float
    valid: bool
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Parsed:
    """A tree of the grammar, and its negative log-probability."""

    tree: str
    cost: float


class Engines:
    """Models by kind and language. Raises UserError for two of the same."""

    def __init__(self, folders: Sequence[Path], threads: int = 1) -> None:
        self.loaded: dict[tuple[str, str], Engine] = {}
        for folder in folders:
            engine = Engine(folder, threads)
            for language in engine.languages:
                if (other := self.loaded.get((engine.model, language))) is not None:
                    raise UserError(
                        f"{folder} and {other.folder} are both {engine.model} of {language}"
                    )
                self.loaded[engine.model, language] = engine

    def of(self, model: str, language: str = "") -> Engine:
        """That of a language, or the only one. Raises UserError."""
        found = self.perhaps(model, language)
        if found is None:
            there = ", ".join(f"{m} ({language})" for m, language in self.loaded) or "none"
            wanted = f"{model} of {language}" if language else f"single {model}"
            raise UserError(f"no {wanted} is loaded; there are {there}")
        return found

    def perhaps(self, model: str, language: str = "") -> Engine | None:
        """As `of`, or None. Any transcript parser will do."""
        if (model, language) in self.loaded:
            return self.loaded[model, language]
        some = {id(e): e for (m, _), e in self.loaded.items() if m == model}
        if len(some) == 1 and (not language or model == PARSER):
            return next(iter(some.values()))
        return None


def request(text: str) -> tuple[str, bool]:
    """(what is said for code, whether it is a construct to add) of a spoken text."""
    words = text.lower().split()
    if words and words[0] == "add" and len(words) > 1:
        return " ".join(words[1:]), True
    if words and words[0] in WRITING and len(words) > 1:
        return " ".join(words[1:]), False
    return " ".join(words), False


def translate(
    engine: Engine, text: str, place: Place, language: str, count: int, beam: int = 10
) -> list[Code]:
    """The best code for a spoken text, the best first. Raises UserError."""
    phrase, added = request(text)
    if not phrase:
        raise UserError("nothing is said: the text is empty")
    found = engine.best(place.input(phrase, added, engine.context), max(count, beam), beam)
    return ranked(found, place, language)[:count]


def ranked(found: Sequence[Hypothesis], place: Place, language: str) -> list[Code]:
    """Hypotheses as code; what parses comes before what does not and is little more likely."""
    before = place.errors(None, language)
    codes: list[Code] = []
    for one in found:
        if _repeats(one.tokens):
            continue
        text, mark, rest = place.code(list(one.tokens)).partition("\0")
        code, cursor = text + rest, len(text) if mark else len(text + rest)
        if any(code == other.code for other in codes):
            continue
        valid = place.errors(code, language) <= before
        codes.append(Code(code, cursor, -one.score, valid, one.tokens))
    return sorted(codes, key=lambda code: code.cost + (0 if code.valid else WORTH))


def _repeats(tokens: Sequence[str]) -> bool:
    lines = spaces = 0
    for token in tokens:
        lines = lines + 1 if token in LINES else 0
        spaces = spaces + 1 if token == SPACE else 0
        if lines >= MOST_LINES or spaces >= MOST_SPACES:
            return True
    return False


def parse(engine: Engine, transcript: str) -> list[Parsed]:
    """Trees of a transcript that the grammar allows and whose words are those of the transcript,
    the best first. Raises UserError."""
    words = transcript.lower().split()
    if not words:
        raise UserError("nothing is said: the text is empty")
    found = engine.best(words, PARSED, PARSED)
    trees = [
        Parsed(tree, -one.score)
        for one in found
        if grammar.allowed(tree := " ".join(one.tokens))
        and grammar.transcript(tree).split() == words
    ]
    return trees[:VALID]


def rescore(engine: Engine, place: Place, phrases: Sequence[str]) -> list[float]:
    """Negative log-probabilities of what may be said at a place, by the language model."""
    scores = engine.scores(place.context(engine.context), [phrase.split() for phrase in phrases])
    return [-score for score in scores]


@dataclass(frozen=True)
class Answer:
    """What a text stands for: its commands if a parser is there, and code for text commands."""

    text: str
    tree: str
    alternatives: list[Code]


def answer(engines: Engines, text: str, place: Place, language: str, count: int) -> Answer:
    """Parsed first where a transcript parser is loaded; then the code of the first text command.
    Raises UserError."""
    parser = engines.perhaps(PARSER)
    if parser is None:
        style = engines.of(AUTO_STYLE, language)
        return Answer(text, "", translate(style, text, place, language, count))
    trees = parse(parser, text)
    tree = trees[0].tree if trees else ""
    phrase = text if not tree else grammar.written_text(tree)
    if not phrase or engines.perhaps(AUTO_STYLE, language) is None:
        return Answer(text, tree, [])
    style = engines.of(AUTO_STYLE, language)
    return Answer(text, tree, translate(style, phrase, place, language, count))


@dataclass(frozen=True)
class Heard:
    """Code for a recognised text; `cost`: of the recogniser, the code and the language model."""

    text: str
    code: Code
    cost: float


def of_speech(
    engines: Engines, alternatives: Sequence[tuple[str, float]], place: Place, language: str,
    count: int,
) -> list[Heard]:  # fmt: skip
    """Ranked code of recognised (text, confidence) alternatives. The costs of the recogniser (its
    negative logarithmic confidence), of the code and of the contextual language model, where one is
    loaded, are added, as Serenade does. Raises UserError."""
    style = engines.of(AUTO_STYLE, language)
    context = engines.perhaps(LANGUAGE_MODEL, language)
    heard = [(" ".join(joined(text.split())), confidence) for text, confidence in alternatives]
    heard = [(text, confidence) for text, confidence in heard if text]
    costs = [0.0] * len(heard)
    if context is not None and heard:
        costs = rescore(context, place, [request(text)[0] or text for text, _ in heard])
    found = []
    for (text, confidence), contextual in zip(heard, costs, strict=True):
        spoken = contextual - math.log(max(confidence, LEAST_CONFIDENCE))
        for code in translate(style, text, place, language, count):
            found.append(Heard(text, code, spoken + code.cost + (0 if code.valid else WORTH)))
    best: dict[str, Heard] = {}
    for one in sorted(found, key=lambda one: one.cost):
        best.setdefault(one.code.code, one)
    return list(best.values())[:count]


def joined(words: Sequence[str]) -> list[str]:
    """Letters that follow each other as one word: "h t t p server" -> "http server"."""
    out: list[str] = []
    letters = ""
    for word in [*words, ""]:
        if len(word) == 1 and word.isalpha():
            letters += word
            continue
        if letters:
            out.append(letters)
        letters = ""
        if word:
            out.append(word)
    return out
