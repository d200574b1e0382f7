"""Primewords Chinese Corpus Set 1 (SLR47): `set1_transcript.json`, `audio_files/<x>/<xy>/*.wav`."""

import json
from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines, one
from trainer.corpora.utterance import Utterance

TITLE = "Primewords Chinese Corpus Set 1"
LICENCE = "CC BY-NC-ND 4.0"
SOURCE = "https://openslr.org/47"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips; the corpus has no splits. Raises UserError."""
    clips = {p.name: p for p in sorted(folder.rglob("audio_files/*/*/*.wav"))}
    for row in json.loads("\n".join(lines(one(folder, "set1_transcript.json")))):
        yield Utterance(
            str(clips.get(row["file"], folder / row["file"])),
            row["text"],
            str(row.get("user_id", "")),
        )
