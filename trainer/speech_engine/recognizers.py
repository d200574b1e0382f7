"""Loads a finished engine, or the general recogniser of an acoustic model."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.errors import UserError
from trainer.log import quiet
from trainer.speech_engine.acoustics import Recognizer

RECORD = "engine.json"
LANG = Path("lang")
FULL_COST = 100  # more hints than this share the probability of as many
SEARCH, RESCORE = LANG / "search.binary", LANG / "rescore.binary"


def record(engine: Path) -> dict[str, Any]:
    """engine.json. Raises UserError where a folder holds no engine."""
    try:
        return dict(json.loads((engine / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UserError(
            f"{engine}: holds no {RECORD}: not the folder of a speech engine"
        ) from error
    except ValueError as error:
        raise UserError(f"{engine / RECORD}: damaged ({error}); make the engine again") from error


def load(
    engine: Path, hints: Mapping[str, Sequence[str]] = {}, hint_cost: float | None = None
) -> Recognizer:
    """The recognizer of an engine with run-time words; `hint_cost`: its own if None.

    Raises UserError.
    """
    given = record(engine)
    cost = float(given["hint_cost"]) if hint_cost is None else hint_cost
    cost += math.log(max(1.0, len(hints) / FULL_COST))
    kind = given["acoustic_model"]["kind"]
    with quiet():  # KenLM and decoders print
        if kind == "pocketsphinx":
            from trainer.speech_engine.acoustics.pocketsphinx import PocketSphinx

            return PocketSphinx(engine, hints, cost, (engine / SEARCH, engine / RESCORE))
        if kind == "letters":
            from trainer.speech_engine.acoustics import letters

            return letters.load(engine, list(hints), cost, engine / RESCORE)
        if kind == "kaldi":
            from trainer.speech_engine.acoustics import kaldi

            return kaldi.load(engine, list(hints))
        from trainer.speech_engine.acoustics import onnx

        return onnx.load(engine, list(hints))


def general(kind: str) -> Recognizer:
    """The acoustic model with its publisher's language model. Raises UserError if it has none."""
    if kind != "pocketsphinx":
        raise UserError(f"{kind}: has no general language model")
    from trainer.speech_engine.acoustics.pocketsphinx import PocketSphinx

    with quiet():
        return PocketSphinx(None)
