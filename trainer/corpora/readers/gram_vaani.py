"""Gram Vaani (Hindi): one CSV, the mp3 files that its audio_url names in `mp3/`."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import one, rows
from trainer.corpora.utterance import Utterance

TITLE = "Gram Vaani"
LICENCE = "as its publisher says"
SOURCE = "https://asr.iitm.ac.in/Gram_Vaani"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips, without splits; first fetch the files of column audio_url into mp3/. Raises
    UserError."""
    for row in rows(one(folder, "*.csv"), {"audio_url", "transcript"}):
        if row["audio_url"] and row["audio_url"] != "audio_url":
            yield Utterance(
                str(folder / "mp3" / row["audio_url"].rsplit("/", 1)[-1]),
                row["transcript"],
                row.get("user_id") or "",
            )
