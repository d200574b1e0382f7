"""Checkpoints of the loop: variables, step and callback states in one file that appears whole."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.training.callbacks import Callback

NAME = "checkpoint.npz"


def save(folder: Path, step: int, variables: Sequence[Any], callbacks: Sequence[Callback]) -> None:
    """Write the state after `step`. `variables`: Keras variables, in a fixed order."""
    arrays: dict[str, Any] = {f"v{i}": np.asarray(v) for i, v in enumerate(variables)}
    for i, callback in enumerate(callbacks):
        arrays |= {f"c{i}_{name}": value for name, value in callback.state().items()}
    unfinished = folder / "checkpoint.tmp"
    with unfinished.open("wb") as out:
        np.savez(out, step=np.int64(step), **arrays)
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(folder / NAME)


def restore(folder: Path, variables: Sequence[Any], callbacks: Sequence[Callback]) -> int:
    """Set variables and callbacks to what was saved; returns the step, 0 without a checkpoint."""
    path = folder / NAME
    if not path.exists():
        return 0
    with np.load(path) as saved:
        for i, variable in enumerate(variables):
            variable.assign(saved[f"v{i}"])
        for i, callback in enumerate(callbacks):
            prefix = f"c{i}_"
            names = [name for name in saved.files if name.startswith(prefix)]
            callback.restore({name[len(prefix) :]: saved[name] for name in names})
        return int(saved["step"])


def remove(folder: Path) -> None:
    """Forget the checkpoint, if there is one."""
    (folder / NAME).unlink(missing_ok=True)
