"""A source file -> spoken commands, each with its family: what people who code by voice say."""

import hashlib
import random
from collections.abc import Iterator

from trainer.spoken_code import snippets, speaking
from trainer.spoken_code.grammar import Command, commands, tree
from trainer.spoken_code.languages import Language

LONGEST_WORDS = 40
SESSION = 0.1  # share of commands to the recogniser itself: cancel, use three
TEXT = 0.6  # share of chains that end with text
RAW = 0.1  # text without a command
GO_TO = 0.25  # share of "go to" among the commands without text
CHAIN = (0.95, 0.985, 1.0)  # up to three commands in one breath
FILLER = 0.03
LONE_FILLER = 0.002
FILLERS = ("um", "uh", "hmm", "oh")

Line = tuple[str, str]  # family, words


def rng_of(identity: str, epoch: int, seed: int) -> random.Random:
    """Random numbers of one file in one epoch, the same on every machine."""
    digest = hashlib.sha256(f"{seed}\0{epoch}\0{identity}".encode(errors="surrogateescape"))
    return random.Random(digest.digest())


def lines(
    source: bytes, identity: str, language: Language, epoch: int, seed: int
) -> Iterator[Line]:
    """The commands of a file: each phrase of its code is said once, in a command or alone.

    `source`: ASCII, tabs expanded; `identity`: what tells the file from others in all runs.
    """
    rng = rng_of(identity, epoch, seed)
    constructs, phrases = _spoken(source, language, rng, typed=False)
    writer = _Writer(phrases, rng)
    for construct in constructs:
        yield from writer.taken("text", construct)
        if rng.random() < 0.2:
            yield from writer.chain()
    while writer.left:
        yield from writer.chain()


def trees(
    source: bytes, identity: str, language: Language, epoch: int, seed: int
) -> Iterator[Line]:
    """The commands of a file as trees (grammar.tree): what transcripts are parsed into."""
    rng = rng_of(identity, epoch, seed)
    constructs, phrases = _spoken(source, language, rng, typed=True)
    writer = _Writer(phrases, rng, trees=True)
    for construct in constructs:
        if construct and construct.count(" ") < LONGEST_WORDS:
            added = f"<add> add <formattedText> {construct} </formattedText> </add>"
            yield "text", tree([added])
    while writer.left:
        yield from writer.chain()


def _spoken(
    source: bytes, language: Language, rng: random.Random, typed: bool
) -> tuple[list[str], list[str]]:
    """Constructs of a file in order, and its phrases shuffled. `typed`: see speaking.Speaker."""
    constructs = snippets.spoken(source, language, rng, typed) if language.module else ()
    texts = [one.text for one in constructs]
    phrases = [
        phrase.text
        for line in source.decode("ascii", "ignore").split("\n")
        for phrase in speaking.phrases(line, language, rng, typed)
    ]
    rng.shuffle(phrases)
    return texts, phrases


class _Writer:
    """Draws commands and fills them with a file's phrases, until these are used up."""

    def __init__(self, phrases: list[str], rng: random.Random, trees: bool = False) -> None:
        self.phrases, self.rng, self.at, self.trees = phrases, rng, 0, trees
        known = commands(trees)
        self.text = [
            known[name] for name in ("insert", "insert", "type", "dictate", "change", "find")
        ]
        self.session = [one for one in known.values() if one.family == "session"]
        self.others = [one for one in known.values() if one.family not in ("session", "text")]
        self.go_to, self.bare = known["goTo"], known["bare"]

    @property
    def left(self) -> bool:
        return self.at < len(self.phrases)

    def _slot(self) -> str:
        """The next phrase; the last one again when a command needs more."""
        phrase = self.phrases[min(self.at, len(self.phrases) - 1)] if self.phrases else "value"
        self.at += 1
        words = phrase.split(" ")
        return " ".join(words[: self.rng.randint(1, 3)]) if self.short else phrase

    def chain(self) -> Iterator[Line]:
        """One utterance: up to three commands, one of the session, or text alone."""
        rng = self.rng
        if rng.random() < SESSION:
            yield from self._said([rng.choice(self.session)])
            return
        if not self.trees and rng.random() < LONE_FILLER:
            yield "filler", rng.choice(FILLERS)
        share = rng.random()
        count = next(n for n, limit in enumerate(CHAIN, 1) if share < limit)
        with_text = rng.random() < TEXT
        if with_text and count == 1 and rng.random() < RAW:
            self.short = False
            if self.trees:
                yield from self._said([self.bare])
            else:
                yield from self.taken("text", self._slot())
            return
        chosen = [
            self.go_to if rng.random() < GO_TO else rng.choice(self.others)
            for _ in range(count - with_text)
        ]
        if with_text:
            chosen.append(rng.choice(self.text))
        yield from self._said(chosen)

    short = False

    def _said(self, chosen: list[Command]) -> Iterator[Line]:
        said: list[str] = []
        for command in chosen:
            words: list[str] = []
            self.short = command.family != "text"
            command.draw(self.rng, self._slot, words)
            said.append(" ".join(words))
        if not self.trees:
            yield from self.taken(chosen[-1].family, " ".join(said))
        elif sum(one.count(" ") for one in said) < 2 * LONGEST_WORDS:
            yield chosen[-1].family, tree(said)

    def taken(self, family: str, text: str) -> Iterator[Line]:
        """The line, perhaps with a filler before it, unless it is too long for one breath."""
        if self.rng.random() < FILLER:
            text = f"{self.rng.choice(FILLERS)} {text}"
        if text and text.count(" ") < LONGEST_WORDS:
            yield family, text
