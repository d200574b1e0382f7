"""Alphabets and transcripts: the labels of an acoustic model, their file and their form inside exported models."""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SPACE = " "


class TextError(Exception):
    """An alphabet or transcript that cannot be used; one line."""


def normal(text: str) -> str:
    """NFC with single spaces: one spelling for what looks alike (decomposed accents are the classic failure)."""
    return " ".join(unicodedata.normalize("NFC", text).split())


_REFUSED = re.compile(r"[0-9(<\[\]&*{]")
_TO_SPACE = str.maketrans("-_\u2013\u2014\u2026/", "      ")
_DROPPED = str.maketrans("", "", ".,;?!:\"\u00ab\u00bb\u201c\u201d\u201e")


def cleaned(text: str) -> str | None:
    """A written sentence as labels: lower case, punctuation dropped, typographic apostrophes made plain.

    None for what cannot be read off the page (digits, brackets, symbols). Source: the default `validate_label` of
    DeepSpeech's importers, with the quotes and dashes of other languages.
    """
    text = unicodedata.normalize("NFC", text)
    if _REFUSED.search(text):
        return None
    return normal(text.replace("\u2019", "'").translate(_TO_SPACE).translate(_DROPPED)).lower() or None


@dataclass(frozen=True)
class Alphabet:
    """Labels in index order, one codepoint each; the CTC blank comes after the last. Layout: DeepSpeech 0.9.3."""

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raises TextError for an empty label, one of several codepoints, or one that comes twice."""
        for label in self.labels:
            if len(label) != 1:
                raise TextError(f"alphabet: label '{label}' is {len(label)} characters; each label is one")
        if len(set(self.labels)) != len(self.labels):
            twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise TextError(f"alphabet: twice the label(s) {' '.join(map(repr, twice))}")

    @property
    def blank(self) -> int:
        """Index of the CTC blank."""
        return len(self.labels)

    def missing(self, text: str) -> list[str]:
        """Characters of `text` that are no labels."""
        return sorted(set(text) - set(self.labels))

    def encode(self, text: str) -> list[int]:
        """Label indices. Raises TextError naming the characters that are missing."""
        if missing := self.missing(text):
            raise TextError(f"'{text}' has characters outside the alphabet: {' '.join(map(repr, missing))}")
        index = {label: i for i, label in enumerate(self.labels)}
        return [index[c] for c in text]

    def decode(self, indices: Iterable[int]) -> str:
        """Text of label indices."""
        return "".join(self.labels[i] for i in indices)

    def serialize(self) -> bytes:
        """As the `metadata_alphabet` of exported models: uint16 count, then index, length, UTF-8 bytes of each."""
        parts = [struct.pack("<H", len(self.labels))]
        for i, label in enumerate(self.labels):
            data = label.encode()
            parts.append(struct.pack("<HH", i, len(data)) + data)
        return b"".join(parts)

    def write(self, path: Path) -> None:
        """One label a line; `#` is escaped."""
        path.write_text("".join(("\\#" if label == "#" else label) + "\n" for label in self.labels), encoding="utf-8")


def read_alphabet(path: Path) -> Alphabet:
    """From a file: one label a line, `#` begins a comment, `\\#` is the label #, empty lines are skipped. Raises TextError."""
    labels = []
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if line.startswith("#") or not line:
            continue
        labels.append("#" if line == "\\#" else unicodedata.normalize("NFC", line))
    if not labels:
        raise TextError(f"{path}: the alphabet is empty")
    if SPACE not in labels:
        raise TextError(f"{path}: the alphabet has no line with a space: clients could not tell words apart")
    return Alphabet(tuple(labels))


def alphabet_of(transcripts: Iterable[str]) -> Alphabet:
    """All characters of the transcripts, space first."""
    found = {c for text in transcripts for c in text} | {SPACE}
    return Alphabet(tuple(sorted(found)))


def collapse(indices: Sequence[int], blank: int) -> list[int]:
    """CTC: runs of one label become one, blanks go."""
    return [int(b) for a, b in zip([-1, *indices], indices, strict=False) if b not in (a, blank)]
