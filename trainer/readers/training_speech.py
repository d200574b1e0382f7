"""TrainingSpeech (French): `data.csv` with path and text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import Utterance, one, rows

TITLE = "TrainingSpeech"
LICENCE = "CC BY-NC-SA 4.0 / public domain by book"
SOURCE = "https://github.com/wasertech/TrainingSpeech"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips; the corpus has no splits, the folder of a clip stands for its reader. Raises ReaderError."""
    table = one(folder, "data.csv")
    for row in rows(table, {"path", "text"}):
        path = table.parent / row["path"]
        yield Utterance(str(path), row["text"], row.get("speaker") or (path.parent.name if path.parent != table.parent else ""))
