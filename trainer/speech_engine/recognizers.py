"""Loads a finished engine, or the general recogniser of an acoustic model."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.errors import UserError
from trainer.log import quiet
from trainer.speech_engine.acoustics import TAKE_HINTS, Recognizer

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
    try:
        cost = float(given["hint_cost"]) if hint_cost is None else hint_cost
        kind = given["acoustic_model"]["kind"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{engine / RECORD}: damaged ({error}); make the engine again") from error
    if hints and kind not in TAKE_HINTS:
        raise UserError(
            f"{engine}: its runtime searches a static graph, which takes no hints; the acoustic "
            "models that do are pocketsphinx and runs of `trainer stt`"
        )
    cost += math.log(max(1.0, len(hints) / FULL_COST))
    try:
        with quiet():  # KenLM and decoders print
            return _loaded(engine, kind, hints, cost)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{engine}: damaged ({error}); make the engine again") from error


def _loaded(engine: Path, kind: str, hints: Mapping[str, Sequence[str]], cost: float) -> Recognizer:
    if kind == "pocketsphinx":
        from trainer.speech_engine.acoustics.pocketsphinx import PocketSphinx

        return PocketSphinx(engine, hints, cost, (engine / SEARCH, engine / RESCORE))
    if kind == "letters":
        from trainer.speech_engine.acoustics import letters

        return letters.load(engine, list(hints), cost, engine / RESCORE)
    if kind == "kaldi":
        from trainer.speech_engine.acoustics import kaldi

        return kaldi.Vosk(engine / kaldi.FOLDER)
    from trainer.speech_engine.acoustics import onnx

    return onnx.Sherpa(engine / onnx.FOLDER)


def general(kind: str) -> Recognizer:
    """The acoustic model with its publisher's language model. Raises UserError if it has none."""
    if kind != "pocketsphinx":
        raise UserError(f"{kind}: has no general language model")
    from trainer.speech_engine.acoustics.pocketsphinx import PocketSphinx

    with quiet():
        return PocketSphinx(None)
