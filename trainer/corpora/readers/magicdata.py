"""MAGICDATA Mandarin (SLR68): `<split>/TRANS.txt` with a header, wavs below the split."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every, rows
from trainer.corpora.utterance import Utterance

TITLE = "MAGICDATA Mandarin Chinese Read Speech"
LICENCE = "CC BY-NC-ND 4.0"
SOURCE = "https://openslr.org/68"


COLUMNS = {"UtteranceID", "SpeakerID", "Transcription"}
NOISES = ("[FIL]", "[SPK]")


def read(folder: Path) -> Iterator[Utterance]:
    """Clips of the official splits; a transcript with a noise mark is empty. Raises UserError."""
    tables = every(folder, "TRANS.txt")
    for table in tables:
        clips = {p.name: p for p in sorted(table.parent.rglob("*.wav"))}
        for row in rows(table, COLUMNS, "excel-tab"):
            path = clips.get(row["UtteranceID"], table.parent / row["UtteranceID"])
            text = (
                ""
                if any(noise in row["Transcription"] for noise in NOISES)
                else row["Transcription"]
            )
            yield Utterance(str(path), text, row["SpeakerID"], table.parent.name)
