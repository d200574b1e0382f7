"""`trainer check`, wake words: the front-end, the interpreters, the speech engines."""

import shutil
from collections.abc import Iterator

import numpy as np

from trainer.errors import UserError
from trainer.log import quiet
from trainer.machine import REBUILD


def check() -> Iterator[str]:
    """Lines about the parts of this product; none outside its image. Raises UserError."""
    if not shutil.which("espeak-ng"):
        return
    try:
        with quiet():
            from ai_edge_litert.interpreter import Interpreter  # noqa: F401
        from pymicro_wakeword import MicroWakeWord  # noqa: F401

        from trainer.audio.micro_frontend import features
    except (ImportError, OSError) as error:
        raise UserError(f"{type(error).__name__}: {error}; {REBUILD}") from error
    shape = features(np.zeros(16000, np.int16)).shape
    if shape != (98, 40):
        raise UserError(f"the micro front-end gives {shape}, not (98, 40); {REBUILD}")
    yield "Micro front-end, LiteRT and pymicro-wakeword: work"
    from trainer.wakeword.engines import IN_PROCESS, Voice

    for engine, name in zip(IN_PROCESS, ("en-us+m3", "rms"), strict=True):
        seconds = len(Voice(engine, name, 1.0, 0.5, 0.5, 1.0).speak("hey buster")) / 16000
        yield f"Speech engine {engine}: works ({seconds:.1f} s of speech)"
