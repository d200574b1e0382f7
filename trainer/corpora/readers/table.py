"""The CSV of DeepSpeech and Coqui STT: `wav_filename,wav_filesize,transcript`; TSV, JSON lines too.

Paths are relative to the file's folder, or absolute; a clip that is not there, but lies below the
file's folder as its path ends, is found (tables of another machine). Columns `speaker` (or
`client_id`) and `split` are used: where rows have the requested split, only those are read; also
`start`, `end` (seconds) and `channel` of manifests. Tables of Common Voice (`path` in clips/,
`sentence`) are read too.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PureWindowsPath

from trainer.corpora.readers import lines, rows
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.log import log

TITLE, LICENCE, SOURCE = "A table of clips", "", ""
COLUMNS = {"wav_filename", "transcript"}
OF_COMMON_VOICE = {"path", "sentence"}


def read(path: Path) -> Iterator[Utterance]:
    """Rows in order. Raises UserError when the file or a column is missing."""
    return (utterance for utterance, _ in read_rows(path))


def read_rows(path: Path) -> Iterator[tuple[Utterance, dict[str, str]]]:
    """As `read`, with all columns of each row."""
    moved: list[str] = []
    for row in _rows(path):
        file = row["wav_filename"].strip() if "wav_filename" in row else f"clips/{row['path']}"
        place = _place(path.parent, file)
        if place != path.parent / file:
            moved.append(file)
        yield (
            Utterance(
                str(place),
                row["transcript"] if "transcript" in row else row["sentence"],
                (row.get("speaker") or row.get("client_id") or "").strip(),
                (row.get("split") or "").strip(),
                number(path, row, "start"),
                number(path, row, "end"),
                int(number(path, row, "channel")),
            ),
            row,
        )
    if moved:
        log.warning(
            f"{path}: {len(moved)} clips are not where it says, but beside it, such as {moved[0]}"
        )


def number(path: Path, row: dict[str, str], name: str) -> float:
    """A column that may be missing or empty: 0. Raises UserError."""
    try:
        return float(row.get(name) or 0)
    except ValueError as error:
        raise UserError(f"{path}: {name} '{row[name]}' is not a number") from error


def _place(home: Path, file: str) -> Path:
    """Where a clip is: as written, or with the end of its path below `home`."""
    place = home / file
    if place.exists():
        return place
    parts = [p for p in PureWindowsPath(file).parts if p not in ("\\", "/")]
    ends = (home.joinpath(*parts[i:]) for i in range(len(parts)) if parts[i:])
    return next((end for end in ends if end.exists()), place)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.suffix == ".jsonl":
        return _json_rows(path)
    tabs = path.suffix == ".tsv"
    head = ""
    if path.is_file():
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = file.readline().rstrip("\n")
    there = {name.strip().strip('"') for name in head.split("\t" if tabs else ",")}
    columns = OF_COMMON_VOICE if there >= OF_COMMON_VOICE else COLUMNS
    read_rows = partial(rows, path, columns)
    return read_rows("excel-tab", False, True) if tabs else read_rows("excel", True, True)


def _json_rows(path: Path) -> Iterator[dict[str, str]]:
    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        try:
            row = dict(json.loads(line))
            if missing := COLUMNS - set(row):
                raise UserError(f"{path}:{number}: no {' and '.join(sorted(missing))}")
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}:{number}: not a JSON object ({error})") from error
        yield {name: "" if value is None else str(value) for name, value in row.items()}
