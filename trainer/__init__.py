"""Voicekiln: train voice models that run in the clients people already have.

    from trainer import speech_engine, stt, wakeword
    from trainer import Experiment, Trainer, callbacks, data, metrics, models

Products are imported when they are used; see docs/architecture.md.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.2.0"
PUBLIC = {  # names of the Python API for experiments -> module
    "Experiment": "experiment.experiment",
    "Trainer": "experiment.trainer",
    "Optimizer": "experiment.trainer",
    "Splice": "experiment.splicing",
    "serializable": "serialization",
}
PRODUCTS = (  # packages with settings, cli, pipeline, check and report
    "wakeword",
    "stt",
    "speech_engine",
    "code_engine",
    "experiment",
)
DATA_FOLDER = Path("/data")  # of the images


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return getattr(import_module(f"trainer.{PUBLIC[name]}"), name)
    if name in ("callbacks", "trackers"):
        return import_module(f"trainer.experiment.{name}")
    if name in PRODUCTS:
        return import_module(f"trainer.{name}")
    raise AttributeError(f"module 'trainer' has no attribute '{name}'")
