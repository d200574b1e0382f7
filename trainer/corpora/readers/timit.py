"""TIMIT (LDC93S1): `<TRAIN|TEST>/<region>/<speaker>/*.WAV`, `*.TXT`; needs an LDC licence."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "TIMIT"
LICENCE = "LDC"
SOURCE = "https://catalog.ldc.upenn.edu/LDC93S1"


def read(folder: Path) -> Iterator[Utterance]:
    """Official train and test, without SA1 and SA2, which all speakers read. Raises UserError."""
    texts = sorted(
        p
        for p in folder.rglob("*")
        if p.suffix.upper() == ".TXT" and p.with_suffix(".WAV").exists()
    )
    if not texts:
        raise UserError(f"{folder}: holds no *.WAV with *.TXT")
    for path in texts:
        if not path.stem.upper().startswith("SA"):
            split = "train" if "train" in (part.lower() for part in path.parts) else "test"
            yield Utterance(
                str(path.with_suffix(".WAV")),
                " ".join(" ".join(lines(path)).split()[2:]),
                path.parent.name,
                split,
            )
