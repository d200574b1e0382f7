"""Parallel files as numbers: the vocabulary or pieces of a model, and arrays of each split."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from trainer.errors import UserError
from trainer.log import log
from trainer.spoken_code import vocabulary
from trainer.spoken_code.pairs import LANGUAGE_MODEL
from trainer.spoken_code.tokens import CONTEXT, ENGLISH, SNIPPET
from trainer.spoken_code.vocabulary import END, UNKNOWN, Vocabulary

LEXICON, PIECES = "lexicon.txt", "pieces.spm"
LONGEST = 200  # tokens of an input or output, its end included
FEWEST_PAIRS = 500
PIECES_FROM = 1_000_000  # lines that pieces are learned from


Numbers = tuple[list[int], list[int]]  # of an input and an output


@dataclass(frozen=True)
class Prepared:
    """Pairs of one split. `x`, `y`: numbers of all inputs and outputs, each with its end;
    `x_at`, `y_at`: where each begins, and the end of the last; `context`, `spoken`: the places of
    CTX and of ENG or SNIP_ in each input, or -1."""

    x: np.ndarray
    x_at: np.ndarray
    y: np.ndarray
    y_at: np.ndarray
    context: np.ndarray
    spoken: np.ndarray

    def __len__(self) -> int:
        return len(self.context)

    @property
    def input_lengths(self) -> np.ndarray:
        """Tokens of each input."""
        return np.diff(self.x_at)

    @property
    def output_lengths(self) -> np.ndarray:
        """Tokens of each output."""
        return np.diff(self.y_at)

    def input(self, i: int, longest: int) -> np.ndarray:
        """Input i with no more context than fits into `longest` tokens."""
        found = self.x[self.x_at[i] : self.x_at[i + 1]]
        over, at = len(found) - longest, self.context[i]
        if over <= 0 or at < 0:
            return found
        first = min(max(at + 1, over + 1), self.spoken[i])  # what is said stays whole
        return np.concatenate([found[at : at + 1], found[first:]])

    def output(self, i: int) -> np.ndarray:
        """Output i."""
        return self.y[self.y_at[i] : self.y_at[i + 1]]

    def save(self, path: Path) -> None:
        """As npz."""
        with path.open("wb") as out:
            np.savez(out, **vars(self))

    @classmethod
    def load(cls, path: Path) -> "Prepared":
        """What `save` wrote."""
        with np.load(path) as found:
            return cls(**dict(found))


def prepare(pairs: Path, kind: str, size: int, seed: int, out: Path) -> None:
    """train.npz, dev.npz, test.npz, and the vocabulary: lexicon.txt, or pieces.spm for the
    language model. Raises UserError when there are too few pairs."""
    count = sum(1 for _ in _lines(pairs / "train.input"))
    if count < FEWEST_PAIRS:
        raise UserError(
            f"only {count} pairs to train on (at least {FEWEST_PAIRS} are needed): give more "
            "SOURCES of this language, or CORPUS_EPOCHS=10 to say each file in ten ways"
        )
    if kind == LANGUAGE_MODEL:
        learn_pieces(pairs, size, seed, out / PIECES)
    else:
        texts = chain(_lines(pairs / "train.input"), _lines(pairs / "train.output"))
        vocabulary.write(vocabulary.frequent(texts, size), out / LEXICON)
    coder = coder_in(out, kind)
    for split in ("train", "dev", "test"):
        found = _numbered(pairs, split, coder, seed)
        found.save(out / f"{split}.npz")


class Coder:
    """Tokens of a vocabulary to numbers."""

    def __init__(self, known: Vocabulary) -> None:
        self.known = known
        self.names: Sequence[str] = known.names
        numbers = known.numbers
        self.context = [numbers[name] for name in numbers if name == CONTEXT]
        self.spoken = [
            n for name, n in numbers.items() if name == ENGLISH or name.startswith(SNIPPET)
        ]

    def pair(self, source: str, target: str, rng: random.Random) -> Numbers | None:
        """Numbers of both sides; None if a token of the target has none."""
        return self.known.numbered(source.split(), target.split(), rng)


class PieceCoder:
    """Text to numbers of SentencePiece's pieces (Kudo & Richardson 2018)."""

    def __init__(self, path: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self.model = SentencePieceProcessor(model_file=str(path))
        self.names: Sequence[str] = [self.model.id_to_piece(i) for i in range(len(self.model))]
        self.context: list[int] = []
        self.spoken: list[int] = []

    def pair(self, source: str, target: str, rng: random.Random) -> Numbers | None:
        """Numbers of both sides."""
        return self.model.encode(source), self.model.encode(target)


def coder_in(folder: Path, kind: str) -> Coder | PieceCoder:
    """That of a prepared folder."""
    if kind == LANGUAGE_MODEL:
        return PieceCoder(folder / PIECES)
    return Coder(vocabulary.read(folder / LEXICON))


def learn_pieces(pairs: Path, size: int, seed: int, path: Path) -> None:
    """A SentencePiece model with Marian's numbers: </s> 0, <unk> 1. Raises UserError."""
    import sentencepiece

    lines = chain.from_iterable(
        zip(_lines(pairs / "train.input"), _lines(pairs / "train.output"), strict=True)
    )
    unfinished = path.with_name(f"{path.name}.tmp")
    with unfinished.open("wb") as out:
        sentencepiece.set_random_generator_seed(seed)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=out, vocab_size=size, model_type="unigram",
            bos_id=-1, eos_id=0, unk_id=1, pad_id=-1, eos_piece=END, unk_piece=UNKNOWN,
            input_sentence_size=PIECES_FROM, shuffle_input_sentence=True, hard_vocab_limit=False,
            num_threads=1, minloglevel=2,
        )  # fmt: skip
    unfinished.replace(path)


def _numbered(pairs: Path, split: str, coder: Coder | PieceCoder, seed: int) -> Prepared:
    rng = random.Random(f"{seed} {split}")
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    unknown = long = 0
    both = zip(_lines(pairs / f"{split}.input"), _lines(pairs / f"{split}.output"), strict=True)
    for source, target in both:
        found = coder.pair(source, target, rng)
        if found is None:
            unknown += 1
        elif max(map(len, found)) >= LONGEST:
            long += 1
        else:
            x.append(np.array([*found[0], 0], np.uint16))
            y.append(np.array([*found[1], 0], np.uint16))
    if unknown or long:
        log.info(
            "%s: of %d pairs, %d have words that the vocabulary cannot write, %d are longer than "
            "%d tokens", split, len(x) + unknown + long, unknown, long, LONGEST,
        )  # fmt: skip
    context, spoken = (
        np.array([_place(one, wanted) for one in x], np.int32)
        for wanted in (coder.context, coder.spoken)
    )
    return Prepared(_joined(x), _starts(x), _joined(y), _starts(y), context, spoken)


def _place(numbers: np.ndarray, wanted: Sequence[int]) -> int:
    found = np.flatnonzero(np.isin(numbers, wanted)) if wanted else ()
    return int(found[-1]) if len(found) else -1


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, np.uint16)


def _starts(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="ascii") as file:
        for line in file:
            yield line.rstrip("\n")
