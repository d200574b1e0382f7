"""Corpora as utterances: one file a corpus, each `read(folder or file, ...) -> Iterator[Utterance]`, with TITLE, LICENCE and SOURCE.

Transcripts are as the corpus has them: a language's rules (`text.Rules`) make labels of them.
"""

from __future__ import annotations

import csv
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

AUDIO = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".sph", ".aif", ".aiff", ".au", ".caf", ".w64")


class ReaderError(Exception):
    """A corpus whose layout is not what it should be; one line."""


@dataclass(frozen=True)
class Utterance:
    """One clip and what is said in it. `split`: the official one, or empty; `start` and `end` in seconds, where a clip is part of a
    recording (`end` 0: to its end); `channel` from 1, 0 mixes all."""

    path: str
    transcript: str
    speaker: str = ""
    split: str = ""
    start: float = 0.0
    end: float = 0.0
    channel: int = 0

    @property
    def clip(self) -> tuple[str, float, int]:
        """What is heard: equal for rows that list a clip twice."""
        return self.path, self.start, self.channel


def names() -> list[str]:
    """All readers."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem != "__init__")


def reader(name: str) -> ModuleType:
    """The module of a corpus. Raises ReaderError."""
    if name not in names():
        raise ReaderError(f"no reader '{name}'; there are {', '.join(names())}")
    return importlib.import_module(f"trainer.readers.{name}")


def read(name: str, place: Path, options: dict[str, str] | None = None) -> Iterator[Utterance]:
    """The utterances of a corpus at `place`. Raises ReaderError, for an option that the reader does not have too."""
    function = reader(name).read
    known = list(inspect.signature(function).parameters)[1:]
    for option in options or {}:
        if option not in known:
            raise ReaderError(f"{name}: no option '{option}'; there are: {', '.join(known) or 'none'}")
    return function(place, **options or {})


def place_of(name: str) -> tuple[str, Path]:
    """(reader, place) of what a person gives: `reader:place`, or a file or folder by its form."""
    kind, colon, place = name.partition(":")
    path = Path(name)
    if colon and kind.isidentifier() and not path.exists():
        return kind, Path(place)
    return "common_voice" if path.is_dir() else "sdb" if path.suffix == ".sdb" else "table", path


def rows(path: Path, columns: set[str], dialect: str = "excel", quoted: bool = True, exact: bool = False) -> Iterator[dict[str, str]]:
    """Rows of a table with a header; a cell that is not there is empty. Raises ReaderError.

    `exact`: also when a row has more cells than the header, for its text would be cut at the comma, and when a quote is not closed, for rows
    would be lost in it; corpora are taken as they are.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            found = csv.DictReader(file, dialect=dialect, quoting=quoting, restval="", strict=exact)
            missing = columns - set(found.fieldnames or ())
            if missing:
                raise ReaderError(f"{path}: no column {' and '.join(sorted(missing))}; there are: {', '.join(found.fieldnames or ['none'])}")
            for row in found:
                if any(row.pop(None, ())) and exact:  # cells without a name
                    raise ReaderError(f"{path}:{found.line_num}: more cells than columns: put a text that holds the separator in quotes")
                yield row
    except FileNotFoundError as error:
        raise ReaderError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise ReaderError(f"{path}: not a table in UTF-8 ({error})") from error
    except csv.Error as error:
        raise ReaderError(f"{path}: not a table after line {found.line_num}: {error}; is a quote not closed?") from error


def lines(path: Path, encoding: str = "utf-8-sig") -> list[str]:
    """Lines of a text file (`splitlines` also splits at U+0085 and U+2028, which may stand in a sentence). Raises ReaderError."""
    try:
        with path.open(encoding=encoding) as file:
            return [line.rstrip("\n") for line in file]
    except FileNotFoundError as error:
        raise ReaderError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise ReaderError(f"{path}: not text in {encoding} ({error})") from error


def keyed(path: Path, encoding: str = "utf-8-sig") -> dict[str, str]:
    """`<id> <text>` lines, as many corpora have them. Raises ReaderError."""
    pairs = (line.split(maxsplit=1) for line in lines(path, encoding) if line.strip())
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


def every(folder: Path, *patterns: str, told: str = "") -> list[Path]:
    """Matches of the patterns below a folder, in order of names. Raises ReaderError when there are none; `told`: how it names what it wants."""
    found = sorted(p for pattern in patterns for p in folder.rglob(pattern))
    if not found:
        raise ReaderError(f"{folder}: holds no {told or patterns[0]}")
    return found


def one(folder: Path, pattern: str) -> Path:
    """The first of them. Raises ReaderError."""
    return every(folder, pattern)[0]
