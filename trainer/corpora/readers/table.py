"""The CSV of DeepSpeech and Coqui STT: `wav_filename,wav_filesize,transcript`; TSV, JSON lines too.

Paths are relative to the file's folder; any audio that libsndfile reads. Further columns `speaker`
(or `client_id`) and `split` are used: where rows have the requested split, only those are read.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines, rows
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE, LICENCE, SOURCE = "A table of clips", "", ""
COLUMNS = {"wav_filename", "transcript"}


def read(path: Path) -> Iterator[Utterance]:
    """Rows in order. Raises UserError when the file or a column is missing."""
    tabs = path.suffix == ".tsv"
    for row in (
        _json_rows(path)
        if path.suffix == ".jsonl"
        else rows(path, COLUMNS, "excel-tab" if tabs else "excel", not tabs, exact=True)
    ):
        yield Utterance(
            str(path.parent / row["wav_filename"]),
            row["transcript"],
            row.get("speaker") or row.get("client_id") or "",
            row.get("split") or "",
        )


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
