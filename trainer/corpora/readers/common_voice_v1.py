"""Common Voice, release 1: `cv-*.csv` with filename and text, mp3 below."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every, rows
from trainer.corpora.utterance import Utterance

TITLE = "Common Voice 1"
LICENCE = "CC0-1.0"
SOURCE = "https://commonvoice.mozilla.org/datasets"


def read(folder: Path) -> Iterator[Utterance]:
    """The validated sets, cv-valid-{train,dev,test}.csv. Raises UserError."""
    tables = every(folder, "cv-valid-*.csv")
    for table in tables:
        for row in rows(table, {"filename", "text"}):
            yield Utterance(
                str(table.parent / row["filename"]),
                row["text"],
                split=table.stem.removeprefix("cv-valid-"),
            )
