"""A download of your own Common Voice recordings: a table with sentences, and mp3 files."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import one, rows
from trainer.corpora.utterance import Utterance

TITLE = "Own Common Voice recordings"
LICENCE = "CC0-1.0"
SOURCE = "https://commonvoice.mozilla.org/profile/download"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips, of one speaker. Raises UserError."""
    clips = {p.stem: p for p in sorted(folder.rglob("*.mp3"))}
    for row in rows(
        one(folder, "*.tsv"), {"original_sentence_id", "sentence"}, "excel-tab", quoted=False
    ):
        name = Path(row["original_sentence_id"]).stem
        yield Utterance(
            str(clips.get(name, folder / f"{name}.mp3")), row["sentence"], "me", "train"
        )
