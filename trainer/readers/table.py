"""The CSV of DeepSpeech and Coqui STT: `wav_filename,wav_filesize,transcript`, with or without further columns; TSV too.

Paths are relative to the file's folder. Any audio that soundfile reads will do.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from trainer.readers import ReaderError, Utterance


def read(path: Path) -> Iterator[Utterance]:
    """Rows in order. Raises ReaderError when the file or a column is missing."""
    if not path.is_file():
        raise ReaderError(f"{path}: no such file")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, dialect="excel-tab" if path.suffix == ".tsv" else "excel")
        missing = {"wav_filename", "transcript"} - set(rows.fieldnames or ())
        if missing:
            raise ReaderError(f"{path}: no column {' and '.join(sorted(missing))}; there are: {', '.join(rows.fieldnames or ['none'])}")
        for row in rows:
            yield Utterance(str(path.parent / row["wav_filename"]), row["transcript"] or "", row.get("speaker") or row.get("client_id") or "")
