"""Free ST Chinese Mandarin Corpus (SLR38): wavs each with a text file."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines, one
from trainer.corpora.utterance import Utterance

TITLE = "Free ST Chinese Mandarin Corpus"
LICENCE = "CC BY-NC-ND 4.0"
SOURCE = "https://openslr.org/38"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips, without splits. The name holds the speaker (20170001P00001A0001)."""
    for path in sorted(one(folder, "*.wav").parent.glob("*.wav")):
        text = path.with_suffix(".txt")
        yield Utterance(
            str(path), " ".join(lines(text)).strip() if text.exists() else "", path.stem[8:14]
        )
