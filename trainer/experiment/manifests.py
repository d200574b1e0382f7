"""`trainer experiment manifest`: corpora as one table of clips."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainer import rejected
from trainer.corpora.splits import with_splits
from trainer.corpora.utterance import Utterance
from trainer.data import manifest
from trainer.errors import UserError
from trainer.rejected import Rejected


def make(sources: Sequence[str], output: Path, low: float, high: float, splits: bool) -> list[str]:
    """Write the manifest; returns its statistics. What cannot be used is in <output>.rejected.csv.

    Raises UserError.
    """
    if output.suffix not in (".csv", ".jsonl"):
        raise UserError(f"{output}: give a name that ends in .csv or .jsonl")
    refused: list[Rejected] = []
    rows = list(manifest.between(manifest.of_sources(sources, refused), low, high, refused))
    total = len(rows) + len(refused)
    if refused:
        place = output.with_name(f"{output.stem}.rejected.csv")
        rejected.write(place, refused)
        rejected.report(refused, total, output.name, place)
    if not rows:
        raise UserError(f"{output}: none of {total} clips can be used; nothing was written")
    if splits and not all(row.split for row in rows):
        placed = with_splits(
            [Utterance(r.wav_filename, r.transcript, r.speaker, r.split) for r in rows]
        )
        rows = [replace(row, split=u.split) for row, u in zip(rows, placed, strict=True)]
    manifest.write(output, rows)
    return manifest.statistics(rows)
