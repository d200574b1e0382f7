"""What the clients themselves make of clips: exported files in their libraries, word and character error rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trainer import audio
from trainer.metrics import bootstrap, edit_distance
from trainer.stt.client import Client, Heard
from trainer.workers import Workers

CHUNK = 32


@dataclass(frozen=True)
class Run:
    """A library, the model and scorer it loads."""

    library: Path
    model: Path
    scorer: Path | None = None


def hear_chunk(run: Run, paths: Sequence[str]) -> list[Heard]:
    """In a worker: what the client makes of each clip."""
    with Client(run.library, run.model, run.scorer) as client:
        return [client.hear(audio.to_int16(audio.read(Path(path)))) for path in paths]


def hear(run: Run, paths: Sequence[str], workers: Workers, label: str) -> list[Heard]:
    """All clips, in order."""
    chunks = [paths[at : at + CHUNK] for at in range(0, len(paths), CHUNK)]
    return [heard for found in workers.run(partial(hear_chunk, run), chunks, label) for heard in found]


def error_rates(said: Sequence[str], heard: Sequence[str], worst: int = 5) -> dict[str, Any]:
    """WER and CER with 95 % intervals over clips, and the worst samples."""
    words = np.array([(edit_distance(a.split(), b.split()), len(a.split())) for a, b in zip(said, heard, strict=True)], float)
    characters = np.array([(edit_distance(a, b), len(a)) for a, b in zip(said, heard, strict=True)], float)
    order = np.argsort(-words[:, 0] / np.maximum(words[:, 1], 1), kind="stable")[:worst]
    return {
        "clips": len(said), "wer": float(words[:, 0].sum() / words[:, 1].sum()), "wer_interval": bootstrap(words),
        "cer": float(characters[:, 0].sum() / characters[:, 1].sum()), "cer_interval": bootstrap(characters),
        "worst": [{"said": said[i], "heard": heard[i]} for i in order],
    }
