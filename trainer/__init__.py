"""Voicekiln: train voice models that run in the clients people already have."""

__version__ = "0.1.0"
