"""Alphabets: the labels of an acoustic model, their file and their form inside exported models."""

import struct
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from trainer.errors import UserError
from trainer.text.characters import shown

SPACE = " "
# characters of Indic scripts and Hebrew that NFC takes apart
COMPOSED = (*range(0x0900, 0x0C00), *range(0xFB1D, 0xFB4F))


ENGLISH_LABELS = tuple(" abcdefghijklmnopqrstuvwxyz'")  # of the published English models


@dataclass(frozen=True)
class Alphabet:
    """Labels in index order, one codepoint each; the CTC blank comes last (as in DeepSpeech)."""

    labels: tuple[str, ...]
    of_bytes: ClassVar[bool] = False  # scorers are then made of characters

    def __post_init__(self) -> None:
        """Raises UserError for a label that is not one codepoint, or is given twice."""
        for label in self.labels:
            if len(label) != 1:
                written = " ".join(f"U+{ord(c):04X}" for c in label)
                raise UserError(
                    f"alphabet: label '{label}' is {len(label)} characters ({written}); each label "
                    "is one"
                )
        if len(set(self.labels)) != len(self.labels):
            twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise UserError(f"alphabet: label(s) listed twice: {' '.join(map(repr, twice))}")

    @cached_property
    def _index(self) -> dict[str, int]:
        return {label: i for i, label in enumerate(self.labels)}

    @property
    def blank(self) -> int:
        """Index of the CTC blank."""
        return len(self.labels)

    def missing(self, text: str) -> list[str]:
        """Characters of `text` that are no labels."""
        return sorted(set(text) - self._index.keys())

    def encode(self, text: str) -> list[int]:
        """Label indices. Raises UserError naming the characters that are missing."""
        if missing := self.missing(text):
            raise UserError(
                f"'{text}' has characters outside the alphabet: {' '.join(map(shown, missing))}"
            )
        return [self._index[c] for c in text]

    def decode(self, indices: Iterable[int]) -> str:
        """Text of label indices."""
        return "".join(self.labels[i] for i in indices)

    def serialize(self) -> bytes:
        """The `metadata_alphabet` of exports: uint16 count; index, length, UTF-8 of each label."""
        parts = [struct.pack("<H", len(self.labels))]
        for i, label in enumerate(self.labels):
            data = label.encode()
            parts.append(struct.pack("<HH", i, len(data)) + data)
        return b"".join(parts)

    def write(self, path: Path) -> None:
        """One label a line; `#` is escaped."""
        path.write_text(
            "".join(("\\#" if label == "#" else label) + "\n" for label in self.labels),
            encoding="utf-8",
        )


@dataclass(frozen=True)
class ByteAlphabet(Alphabet):
    """The bytes 1 to 255: label i is byte i + 1 (`bytes_output_mode` of DeepSpeech)."""

    labels: tuple[str, ...] = tuple(map(chr, range(1, 256)))
    of_bytes: ClassVar[bool] = True

    def missing(self, text: str) -> list[str]:
        """None: every text has bytes."""
        return []

    def encode(self, text: str) -> list[int]:
        """Label indices."""
        return [byte - 1 for byte in text.encode()]

    def decode(self, indices: Iterable[int]) -> str:
        """Text; invalid bytes become replacement characters."""
        return bytes(i + 1 for i in indices).decode(errors="replace")

    def serialize(self) -> bytes:
        """One byte a label."""
        return struct.pack("<H", 255) + b"".join(
            struct.pack("<HHB", i, 1, i + 1) for i in range(255)
        )

    def write(self, path: Path) -> None:
        """A comment only: the labels are fixed."""
        path.write_text("# bytes_output_mode: the 255 bytes of UTF-8\n", encoding="utf-8")


def read_alphabet(path: Path) -> Alphabet:
    """One label a line; `#` begins a comment, `\\#` is the label #. Raises UserError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error})") from error
    labels: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line:
            continue
        label = "#" if line == "\\#" else _single(line)
        try:
            Alphabet((*labels, label))
        except UserError as error:
            raise UserError(f"{path}:{number}: {error}") from error
        labels.append(label)
    if not labels:
        raise UserError(f"{path}: the alphabet is empty")
    if SPACE not in labels:
        raise UserError(
            f"{path}: the alphabet has no line with a space: clients could not separate words"
        )
    return Alphabet(tuple(labels))


def _single(label: str) -> str:
    """NFC, unless that takes a character apart; two characters that make such a one are joined."""
    found = unicodedata.normalize("NFC", label)
    if len(found) == 1 or len(label) == 1:
        return found if len(found) == 1 else label
    whole = (chr(c) for c in COMPOSED if unicodedata.normalize("NFD", chr(c)) == found)
    return next(whole, found)


def alphabet_of(transcripts: Iterable[str]) -> Alphabet:
    """All characters of the transcripts, space first."""
    found = {c for text in transcripts for c in text} | {SPACE}
    return Alphabet(tuple(sorted(found)))


def collapse(indices: Sequence[int], blank: int) -> list[int]:
    """CTC: runs of one label become one, blanks go."""
    return [int(b) for a, b in zip([-1, *indices], indices, strict=False) if b not in (a, blank)]
