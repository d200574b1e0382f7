"""Data sets for experiments: manifests, audio as features, batches."""

from importlib import import_module
from typing import Any

NAMES = {  # public name -> module
    "AudioDataset": "dataset",
    "AudioLoader": "loader",
    "AudioProcessor": "processor",
    "Microphone": "processor",
    "SpecAugment": "processor",
    "Tempo": "processor",
    "VocalTract": "processor",
    "Waveforms": "processor",
    "Batch": "batch",
}


def __getattr__(name: str) -> Any:
    if name in NAMES:
        return getattr(import_module(f"trainer.data.{NAMES[name]}"), name)
    raise AttributeError(f"module 'trainer.data' has no attribute '{name}'")
