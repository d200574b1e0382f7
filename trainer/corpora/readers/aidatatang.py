"""Aidatatang 200zh (SLR62): `transcript/*_transcript.txt`, `corpus/<split>/<speaker>/*.wav`."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import keyed, one
from trainer.corpora.utterance import Utterance

TITLE = "aidatatang 200zh"
LICENCE = "CC BY-NC-ND 4.0"
SOURCE = "https://openslr.org/62"


def read(folder: Path) -> Iterator[Utterance]:
    """Clips of the official splits. Raises UserError."""
    transcripts = keyed(one(folder, "*_transcript.txt"))
    for path in sorted(folder.rglob("corpus/*/*/*.wav")):
        yield Utterance(
            str(path), transcripts.get(path.stem, ""), path.parent.name, path.parent.parent.name
        )
