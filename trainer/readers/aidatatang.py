"""Aidatatang 200zh (SLR62): `transcript/*_transcript.txt`, `corpus/<split>/<speaker>/*.wav`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import Utterance, keyed, one

TITLE = "aidatatang 200zh"
LICENCE = "CC BY-NC-ND 4.0"
SOURCE = "https://openslr.org/62"


def read(folder: Path) -> Iterator[Utterance]:
    """Clips of the official splits. Raises ReaderError."""
    said = keyed(one(folder, "*_transcript.txt"))
    for path in sorted(folder.rglob("corpus/*/*/*.wav")):
        yield Utterance(str(path), said.get(path.stem, ""), path.parent.name, path.parent.parent.name)
