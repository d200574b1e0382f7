"""Metrics as pure functions of NumPy arrays, and as objects for experiments."""

from importlib import import_module
from typing import Any

NAMES = ("Metric", "WordErrorRate", "CharacterErrorRate", "MeanWordErrorRate", "ExactMatch")


def __getattr__(name: str) -> Any:
    """The metrics of `recognition`: `metrics.WordErrorRate()`."""
    if name in NAMES:
        return getattr(import_module("trainer.metrics.recognition"), name)
    raise AttributeError(f"module 'trainer.metrics' has no attribute '{name}'")
