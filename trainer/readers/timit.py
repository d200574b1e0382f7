"""TIMIT (LDC93S1): `<TRAIN|TEST>/<region>/<speaker>/*.WAV` and `*.TXT`. Documented layout; needs an LDC licence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import ReaderError, Utterance, lines

TITLE = "TIMIT"
LICENCE = "LDC"
SOURCE = "https://catalog.ldc.upenn.edu/LDC93S1"


def read(folder: Path) -> Iterator[Utterance]:
    """Official train and test; the two sentences that all speakers read (SA1, SA2) are left out. Raises ReaderError."""
    texts = sorted(p for p in folder.rglob("*") if p.suffix.upper() == ".TXT" and p.with_suffix(".WAV").exists())
    if not texts:
        raise ReaderError(f"{folder}: holds no *.WAV with *.TXT")
    for path in texts:
        if not path.stem.upper().startswith("SA"):
            split = "train" if "train" in (part.lower() for part in path.parts) else "test"
            yield Utterance(str(path.with_suffix(".WAV")), " ".join(" ".join(lines(path)).split()[2:]), path.parent.name, split)
