"""AISHELL-1 (SLR33): `transcript/aishell_transcript_v0.8.txt`, `wav/<split>/<speaker>/*.wav`."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import keyed, one
from trainer.corpora.utterance import Utterance

TITLE = "AISHELL-1"
LICENCE = "Apache-2.0"
SOURCE = "https://openslr.org/33"


def read(folder: Path) -> Iterator[Utterance]:
    """Clips of the official splits; spaces between words are kept. Raises UserError."""
    transcripts = keyed(one(folder, "aishell_transcript*.txt"))
    for path in sorted(
        p for split in ("train", "dev", "test") for p in folder.rglob(f"{split}/S*/*.wav")
    ):
        yield Utterance(
            str(path), transcripts.get(path.stem, ""), path.parent.name, path.parent.parent.name
        )
