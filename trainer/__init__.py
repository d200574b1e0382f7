"""Voicekiln: train voice models that run in the clients people already have.

    from trainer import speech_engine, stt, wakeword

Products are imported when they are used; see docs/architecture.md.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

__version__ = "0.2.0"
PRODUCTS = (  # packages with settings, cli, pipeline, check and report
    "wakeword",
    "stt",
    "speech_engine",
    "code_engine",
)
DATA_FOLDER = Path("/data")  # of the images


def __getattr__(name: str) -> ModuleType:
    if name in PRODUCTS:
        return import_module(f"trainer.{name}")
    raise AttributeError(f"module 'trainer' has no attribute '{name}'")
