"""Alphabets and transcripts: the labels of an acoustic model, their file and their form inside exported models."""

from __future__ import annotations

import re
import struct
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

SPACE = " "


class TextError(Exception):
    """An alphabet or transcript that cannot be used; one line."""


def normal(text: str) -> str:
    """NFC with single spaces: one spelling for what looks alike (decomposed accents are the classic failure)."""
    return " ".join(unicodedata.normalize("NFC", text).split())


@dataclass(frozen=True)
class Rules:
    """How a language's written sentences become labels: one table for transcripts and for the text of the language model.

    In lower case and in this order: `replace` (longest first; `number = "fr"` speaks numbers out before), `refuse`, `space`, `drop`.
    Source of the classes: the default `validate_label` of DeepSpeech's importers and commonvoice-fr's.
    """

    refuse: str = "0123456789(<[]&*{"  # characters of sentences that cannot be read off the page
    space: str = "-_\u2013\u2014\u2026/"
    drop: str = ".,;?!:\"\u00ab\u00bb\u201c\u201d\u201e"
    replace: tuple[tuple[str, str], ...] = (("\u2019", "'"),)
    number: str = ""  # a language of num2words
    fold: bool = False  # to ASCII letters (English-compatible alphabets)

    def labels(self, text: str) -> str | None:
        """The sentence as it is trained on; None when it is refused or nothing is left."""
        text = unicodedata.normalize("NFC", text.lower())
        if self.number:
            text = spoken_numbers(text, self.number)
        for old, new in sorted(self.replace, key=lambda pair: -len(pair[0])):
            text = text.replace(old, new)
        if set(self.refuse) & set(text):
            return None
        text = text.translate({ord(c): " " for c in self.space} | {ord(c): None for c in self.drop})
        if self.fold:
            text = folded(text)
        return normal(text) or None


@dataclass(frozen=True)
class Example:
    """A sentence and its labels, None when it is refused."""

    given: str
    labels: str | None


def read_rules(path: Path) -> tuple[Rules, list[Example]]:
    """From a TOML file: the fields of `Rules`, and `[[examples]]` with `given` and `labels` (left out: refused). Raises TextError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        examples = [Example(e["given"], e.get("labels")) for e in table.pop("examples", [])]
        pairs = tuple((unicodedata.normalize("NFC", a), b) for a, b in table.pop("replace", {}).items())
        return Rules(**table, replace=pairs), examples
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise TextError(f"{path}: {error}; known are {', '.join(Rules.__dataclass_fields__)} and examples") from error


def folded(text: str) -> str:
    """ASCII letters for accented ones (NFKD without marks; ligatures and the like spelled out), what has none left out."""
    text = text.translate({0xE6: "ae", 0x153: "oe", 0xDF: "ss", 0xF8: "o", 0x142: "l", 0x111: "d"})
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def spoken_numbers(text: str, language: str) -> str:
    """Numbers as words ("12 000", "12.000" and "3,5" too; in English, commas group). What is no number that can be spoken (a date, a
    version) stays. Raises TextError for a language num2words does not know.
    """
    from num2words import num2words

    group, point = (",", ".") if language.startswith("en") else (".", ",")

    def words(found: re.Match[str]) -> str:
        digits = re.sub(r"[\s\u00a0\u202f]", "", found[0])
        if re.fullmatch(rf"\d{{1,3}}(\{group}\d{{3}})+(\{point}\d+)?", digits):
            digits = digits.replace(group, "")
        digits = digits.replace(point, ".")
        if digits.count(".") > 1 or group in digits.replace(".", "") or len(digits) > 20:
            return found[0]
        try:
            return f" {num2words(float(digits) if '.' in digits else int(digits), lang=language)} "
        except NotImplementedError as error:
            raise TextError(f"numbers cannot be spoken in '{language}'") from error

    return re.sub(r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+(?:[.,]\d+)*", words, text) if re.search(r"\d", text) else text


ENGLISH_LABELS = tuple(" abcdefghijklmnopqrstuvwxyz'")  # of the published English models


@dataclass(frozen=True)
class Alphabet:
    """Labels in index order, one codepoint each; the CTC blank comes after the last. Layout: DeepSpeech 0.9.3."""

    labels: tuple[str, ...]
    of_bytes: ClassVar[bool] = False  # scorers are then made of characters

    def __post_init__(self) -> None:
        """Raises TextError for an empty label, one of several codepoints, or one that comes twice."""
        for label in self.labels:
            if len(label) != 1:
                raise TextError(f"alphabet: label '{label}' is {len(label)} characters; each label is one")
        if len(set(self.labels)) != len(self.labels):
            twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise TextError(f"alphabet: twice the label(s) {' '.join(map(repr, twice))}")

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
        """Label indices. Raises TextError naming the characters that are missing."""
        if missing := self.missing(text):
            raise TextError(f"'{text}' has characters outside the alphabet: {' '.join(map(repr, missing))}")
        return [self._index[c] for c in text]

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


@dataclass(frozen=True)
class ByteAlphabet(Alphabet):
    """The 255 bytes of UTF-8 but zero: label i is byte i + 1 (`bytes_output_mode` of DeepSpeech)."""

    labels: tuple[str, ...] = tuple(map(chr, range(1, 256)))
    of_bytes: ClassVar[bool] = True

    def missing(self, text: str) -> list[str]:
        """None: every text has bytes."""
        return []

    def encode(self, text: str) -> list[int]:
        """Label indices."""
        return [byte - 1 for byte in text.encode()]

    def decode(self, indices: Iterable[int]) -> str:
        """Text; bytes that are none are marked."""
        return bytes(i + 1 for i in indices).decode(errors="replace")

    def serialize(self) -> bytes:
        """One byte a label."""
        return struct.pack("<H", 255) + b"".join(struct.pack("<HHB", i, 1, i + 1) for i in range(255))

    def write(self, path: Path) -> None:
        """Only said: there is nothing to choose."""
        path.write_text("# bytes_output_mode: the 255 bytes of UTF-8\n", encoding="utf-8")


def read_alphabet(path: Path) -> Alphabet:
    """From a file: one label a line, `#` begins a comment, `\\#` is the label #, empty lines are skipped. Raises TextError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TextError(f"{path}: not UTF-8 ({error})") from error
    labels = []
    for line in lines:
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
