"""Exports for the clients: .pb and .pbmm (DeepSpeech), .tflite (Coqui STT and DeepSpeech)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trainer.stt.export.contract import Contract


def write_all(weights: Mapping[str, np.ndarray], contract: Contract, name: str, out: Path) -> None:
    """All files of a model in `out`. `weights`: by the names of DeepSpeech's checkpoints."""
    from trainer.stt.export import pbmm, tflite

    pbmm.write(weights, contract, out, name)
    tflite.write(weights, contract, out / f"{name}.tflite", quantized=True)
    tflite.write(weights, contract, out / f"{name}_float.tflite", quantized=False)
    contract.alphabet.write(out / "alphabet.txt")
