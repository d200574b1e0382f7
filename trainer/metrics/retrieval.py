"""Figures of ranked alternatives: recall at a rank, with intervals."""

from collections.abc import Sequence
from typing import Any

from trainer.metrics.bootstrap import wilson

RANKS = (1, 5, 10)


def recalls(found: Sequence[int | None]) -> dict[str, Any]:
    """recall@1, @5, @10 and their 95 % intervals. `found`: the rank of the right alternative of
    each query, from 0, or None."""
    figures: dict[str, Any] = {}
    for rank in RANKS:
        hits = sum(one is not None and one < rank for one in found)
        figures[f"recall@{rank}"] = hits / max(len(found), 1)
        figures[f"recall@{rank}_interval"] = list(wilson(hits, len(found)))
    return figures
