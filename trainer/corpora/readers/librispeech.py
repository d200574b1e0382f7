"""LibriSpeech (SLR12): `<set>/<speaker>/<chapter>/*.flac`, `*.trans.txt`."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import every, keyed
from trainer.corpora.utterance import Utterance

TITLE = "LibriSpeech"
LICENCE = "CC BY 4.0"
SOURCE = "https://openslr.org/12"


def read(folder: Path) -> Iterator[Utterance]:
    """All existing sets; train-*, dev-*, test-* are the official splits. Raises UserError."""
    texts = every(folder, "*.trans.txt")
    for path in texts:
        for name, text in keyed(path).items():
            yield Utterance(
                str(path.parent / f"{name}.flac"),
                text,
                name.split("-")[0],
                path.parents[2].name.split("-")[0],
            )
