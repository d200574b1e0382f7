"""Speech engines: source code -> an engine that understands spoken commands.

from trainer import speech_engine

result = speech_engine.train(sources="data/repos", languages="python,javascript")
for one in speech_engine.transcribe(result.folder, ["command.wav"], hints=["kubelet"]):
    print(one.path, one.alternatives[0].text)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.speech_engine.pipeline import Result
    from trainer.speech_engine.transcription import Transcript


def train(settings_file: str | PathLike[str] | None = None, **settings: Any) -> Result:
    """Make an engine: what `train_speech_engine` does, with the same settings and errors.

    `settings`: as in docs/settings.md, in small letters. Raises UserError. Scripts need
    `if __name__ == "__main__":`, as worker processes import them.
    """
    from trainer.speech_engine.line import run

    return run(settings, Path(settings_file) if settings_file else None)


def transcribe(
    engine: str | PathLike[str],
    files: Sequence[str | PathLike[str]],
    hints: Sequence[str] = (),
    hint_cost: float | None = None,
    alternatives: int = 10,
) -> Iterator[Transcript]:
    """Texts of recordings, one by one, with alternatives and their costs.

    `hints`: identifiers or words that the engine may not know; `hint_cost`: how careful it is with
    them (natural logarithm), its own if None. Raises UserError.
    """
    from trainer.speech_engine.transcription import transcribe as run

    return run(Path(engine), [Path(one) for one in files], hints, hint_cost, alternatives)
