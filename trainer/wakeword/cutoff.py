"""A new cutoff for a finished model, from audio of the room in which it listens."""

from pathlib import Path
from typing import Any

from trainer.errors import UserError
from trainer.metrics.bootstrap import wilson
from trainer.metrics.detection import tail
from trainer.wakeword.evaluation import Evaluation, evaluate
from trainer.wakeword.export import manifest
from trainer.workers import Workers

HIGHEST = 0.98  # the largest output is 255/256
SHORTEST_HOURS = 1 / 6


def tune(
    model: Path, ambient: Path, positives: Path | None, limit_per_hour: float, workers: Workers
) -> dict[str, Any]:
    """Write the cutoff into the model's manifest; the figures of old and new. Raises UserError."""
    path = model.with_suffix(".json")
    described = manifest.read(path)
    found = evaluate(model, positives, ambient, workers)
    if found.hours < SHORTEST_HOURS:
        raise UserError(
            f"{ambient}: {60 * found.hours:.0f} minutes of audio; at least "
            f"{60 * SHORTEST_HOURS:.0f} are needed to tell a rate an hour"
        )
    loudest = tail([found.means(one) for one in found.ambient], found.hours, found.pause)
    cutoff = round(min(max(loudest.cutoff(limit_per_hour), 0.01), HIGHEST), 2)
    old = found.cutoff
    figures = {
        "hours": found.hours,
        "limit_per_hour": limit_per_hour,
        "old": _at(found, old) | {"false_accepts_per_hour": loudest.rate(old)},
        "new": _at(found, cutoff) | {"false_accepts_per_hour": loudest.rate(cutoff)},
    }
    micro = described.micro.model_copy(update={"probability_cutoff": cutoff})
    manifest.write(path, described.model_copy(update={"micro": micro}))
    return figures


def _at(found: Evaluation, cutoff: float) -> dict[str, Any]:
    """Of the positives, if there are any."""
    figures: dict[str, Any] = {"cutoff": cutoff}
    if found.positives:
        peaks = [found.means(one).max(initial=0) for one in found.positives]
        hits = sum(peak > cutoff for peak in peaks)
        figures |= {"recall": hits / len(peaks), "recall_interval": wilson(hits, len(peaks))}
    return figures
