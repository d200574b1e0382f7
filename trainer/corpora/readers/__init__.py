"""Readers: one file a corpus, each with `read(folder or file, ...)`, TITLE, LICENCE and SOURCE.

`read` yields utterances with transcripts as the corpus has them; a language's rules
(`trainer.text.rules`) turn these into labels.
"""

import csv
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

AUDIO = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".sph", ".aif", ".aiff", ".au", ".caf", ".w64")


def names() -> list[str]:
    """All readers."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem != "__init__")


def reader(name: str) -> ModuleType:
    """The module of a corpus. Raises UserError."""
    if name not in names():
        raise UserError(f"no reader '{name}'; there are {', '.join(names())}")
    return importlib.import_module(f"trainer.corpora.readers.{name}")


def read(name: str, place: Path, options: dict[str, str] | None = None) -> Iterator[Utterance]:
    """The utterances of a corpus at `place`. Raises UserError, also for an unknown option."""
    function = reader(name).read
    known = list(inspect.signature(function).parameters)[1:]
    for option in options or {}:
        if option not in known:
            raise UserError(
                f"{name}: no option '{option}'; there are: {', '.join(known) or 'none'}"
            )
    return _read(name, place, function(place, **options or {}))


def _read(name: str, place: Path, found: Iterator[Utterance]) -> Iterator[Utterance]:
    """`found`; what a reader cannot parse, in a file or an option, is the user's to mend."""
    try:
        yield from found
    except (ValueError, re.error, LookupError, TypeError) as error:
        reason = f"it holds no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{place}: cannot be read by '{name}': {reason}") from error


def place_of(name: str) -> tuple[str, Path]:
    """(reader, place) of `reader:place`, or of a file or folder by its form."""
    return named(name)[:2]


def named(name: str) -> tuple[str, Path, dict[str, str]]:
    """(reader, place, options) of `reader:place`, `reader[option=value]:place`, or of a file or
    folder by its form."""
    path, match = Path(name), re.fullmatch(r"(\w+)(?:\[([^\]]*)\])?:(.+)", name)
    if match and match[1].isidentifier() and not path.exists():
        options = dict(pair.split("=", 1) for pair in (match[2] or "").split(";") if "=" in pair)
        return match[1], Path(match[3]), options
    kind = "common_voice" if path.is_dir() else "sdb" if path.suffix == ".sdb" else "table"
    return kind, path, {}


def rows(
    path: Path, columns: set[str], dialect: str = "excel", quoted: bool = True, exact: bool = False
) -> Iterator[dict[str, str]]:
    """Rows of a table with a header; a cell that is not there is empty. Raises UserError.

    `exact`: also for a row with more cells than the header, whose text would be cut at the comma,
    and for an open quote, in which rows would be lost; published corpora are read as they are.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # a blank after a comma belongs to no cell (in published corpora it may)
            form: dict[str, Any] = {"quoting": quoting, "strict": exact, "skipinitialspace": exact}
            found = csv.DictReader(file, dialect=dialect, restval="", **form)
            found.fieldnames = [name.strip() for name in found.fieldnames or ()]
            missing = columns - set(found.fieldnames or ())
            if missing:
                there = ", ".join(found.fieldnames or ["none"])
                raise UserError(
                    f"{path}: no column {' and '.join(sorted(missing))}; there are: {there}"
                )
            for row in found:
                if any(row.pop(None, ())) and exact:  # cells without a name
                    raise UserError(
                        f"{path}:{found.line_num}: more cells than columns: quote texts with "
                        "separators"
                    )
                yield row
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a table in UTF-8 ({error})") from error
    except csv.Error as error:
        raise UserError(
            f"{path}: not a table after line {found.line_num}: {error}; is a quote not closed?"
        ) from error


def lines(path: Path, encoding: str = "utf-8-sig") -> list[str]:
    """Lines of a text file. Raises UserError.

    (`splitlines` also splits at U+0085 and U+2028, which may be part of a sentence.)
    """
    try:
        with path.open(encoding=encoding) as file:
            return [line.rstrip("\n") for line in file]
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in {encoding} ({error})") from error


def keyed(path: Path, encoding: str = "utf-8-sig") -> dict[str, str]:
    """`<id> <text>` lines, as many corpora have them. Raises UserError."""
    pairs = (line.split(maxsplit=1) for line in lines(path, encoding) if line.strip())
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


def every(folder: Path, *patterns: str, expected: str = "") -> list[Path]:
    """Sorted matches of the patterns below a folder. Without any, raises UserError."""
    found = sorted(p for pattern in patterns for p in folder.rglob(pattern))
    if not found:
        raise UserError(f"{folder}: holds no {expected or patterns[0]}")
    return found


def one(folder: Path, pattern: str) -> Path:
    """The first of them. Raises UserError."""
    return every(folder, pattern)[0]
