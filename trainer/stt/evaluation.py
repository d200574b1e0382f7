"""What the clients themselves make of clips: exported files in their libraries, word and character error rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trainer import audio
from trainer.audio import AudioError
from trainer.metrics import bootstrap, edit_counts, error_rate
from trainer.stt.client import Client, Heard
from trainer.workers import Workers

CHUNK = 32


@dataclass(frozen=True)
class Run:
    """A library, the model and scorer it loads."""

    library: Path
    model: Path
    scorer: Path | None = None


def hear_files(run: Run, paths: Sequence[str]) -> Iterator[Heard]:
    """What the client makes of each file. Raises ClientError, and AudioError with the file's name."""
    with Client(run.library, run.model, run.scorer) as client:
        for path in paths:
            try:
                samples = audio.to_int16(audio.read(Path(path)))
            except AudioError as error:
                raise AudioError(f"{path}: {error}") from error
            yield client.hear(samples)


def hear_chunk(run: Run, paths: Sequence[str]) -> list[Heard]:
    """The same in a worker."""
    return list(hear_files(run, paths))


def hear(run: Run, paths: Sequence[str], workers: Workers, label: str) -> list[Heard]:
    """All clips, in order."""
    chunks = [paths[at : at + CHUNK] for at in range(0, len(paths), CHUNK)]
    return [heard for found in workers.run(partial(hear_chunk, run), chunks, label) for heard in found]


def error_rates(said: Sequence[str], heard: Sequence[str], worst: int = 5) -> dict[str, Any]:
    """WER and CER with 95 % intervals over clips, and the worst samples."""
    words, characters = edit_counts(said, heard)
    order = np.argsort(-words[:, 0] / np.maximum(words[:, 1], 1), kind="stable")[:worst]
    return {
        "clips": len(said), "wer": error_rate(words), "wer_interval": bootstrap(words),
        "cer": error_rate(characters), "cer_interval": bootstrap(characters),
        "worst": [{"said": said[i], "heard": heard[i]} for i in order],
    }
