"""Wake words: a phrase -> a streaming int8 .tflite and its manifest.

from trainer import wakeword

result = wakeword.train("hey buster", quick=True)
print(result.model, result.figures["held_out"]["recall"])
evaluation = wakeword.evaluate(result.model, "data/test", "data/evening")
print(evaluation.figures())
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.wakeword.evaluation import Evaluation
    from trainer.wakeword.pipeline import Result


def train(
    phrase: str, title: str = "", settings_file: str | PathLike[str] | None = None, **settings: Any
) -> Result:
    """Train a wake word: what `trainer wakeword train` does, with the same settings and errors.

    `title`: the name that clients show; `settings`: as in docs/settings.md, in small letters.
    Raises UserError. Scripts need `if __name__ == "__main__":`, as worker processes import them.
    """
    from trainer.wakeword.line import run

    path = Path(settings_file) if settings_file else None
    return run(phrase, title, settings, path)


def evaluate(
    model: str | PathLike[str],
    positives: str | PathLike[str] | None = None,
    ambient: str | PathLike[str] | None = None,
    cutoff: float | None = None,
    window: int | None = None,
    workers: int = 0,
) -> Evaluation:
    """Measure a .tflite on folders of audio: recordings of the phrase, and audio without it.

    `cutoff` and `window` instead of the manifest's; `workers`: processes, 0 means one per core.
    Raises UserError.
    """
    from trainer.machine import cores
    from trainer.wakeword.evaluation import evaluate as run
    from trainer.workers import Workers

    phrases = Path(positives) if positives else None
    streams = Path(ambient) if ambient else None
    with Workers(workers or cores()) as pool:
        return run(Path(model), phrases, streams, pool, cutoff, window)
