"""TrainingSpeech (French): `data.csv` with path and text."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import one, rows
from trainer.corpora.utterance import Utterance

TITLE = "TrainingSpeech"
LICENCE = "CC BY-NC-SA 4.0 / public domain by book"
SOURCE = "https://github.com/wasertech/TrainingSpeech"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips, without splits; a clip's folder is its speaker. Raises UserError."""
    table = one(folder, "data.csv")
    for row in rows(table, {"path", "text"}):
        path = table.parent / row["path"]
        yield Utterance(
            str(path),
            row["text"],
            row.get("speaker") or (path.parent.name if path.parent != table.parent else ""),
        )
