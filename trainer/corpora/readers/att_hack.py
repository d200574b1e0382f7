"""Att-HACK (SLR88, French expressive speech): `txt/*.txt` and `wav/*.wav`."""

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.readers import lines
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

TITLE = "Att-HACK"
LICENCE = "CC BY-NC-ND 4.0"
SOURCE = "https://openslr.org/88"


def read(folder: Path) -> Iterator[Utterance]:
    """All clips, without splits. Names begin with the speaker (F02_a1_s025). Raises UserError."""
    clips = sorted(p for p in folder.rglob("wav/*.wav") if not p.name.startswith("."))
    if not clips:
        raise UserError(f"{folder}: holds no wav/*.wav")
    for path in clips:
        text = path.parents[1] / "txt" / f"{path.stem}.txt"
        yield Utterance(
            str(path),
            " ".join(lines(text)).strip() if text.exists() else "",
            path.stem.split("_")[0],
        )
