"""Tatoeba: sentences read by its members."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import one, rows
from trainer.corpora.utterance import Utterance

TITLE = "Tatoeba"
LICENCE = "by clip"
SOURCE = "https://tatoeba.org/downloads"


def read(folder: Path) -> Iterator[Utterance]:
    """`sentences.tsv` (id, text, username) with `audio/<username>/<id>.mp3`. Raises UserError."""
    table = one(folder, "sentences.tsv")
    for row in rows(table, {"id", "text", "username"}, "excel-tab", quoted=False):
        yield Utterance(
            str(table.parent / "audio" / row["username"] / f"{row['id']}.mp3"),
            row["text"],
            row["username"],
        )
