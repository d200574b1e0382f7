"""Att-HACK (SLR88, French expressive speech): `txt/*.txt` and `wav/*.wav`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.readers import ReaderError, Utterance, lines

TITLE = "Att-HACK"
LICENCE = "CC BY-NC-ND 4.0"
SOURCE = "https://openslr.org/88"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips; the corpus has no splits. The name begins with its speaker (F02_a1_s025_v01). Raises ReaderError."""
    clips = sorted(p for p in folder.rglob("wav/*.wav") if not p.name.startswith("."))
    if not clips:
        raise ReaderError(f"{folder}: holds no wav/*.wav")
    for path in clips:
        text = path.parents[1] / "txt" / f"{path.stem}.txt"
        yield Utterance(str(path), " ".join(lines(text)).strip() if text.exists() else "", path.stem.split("_")[0])
