"""Checkpoints of the loop: variables, step and callback states in one file that appears whole."""

import os
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from trainer.errors import UserError
from trainer.training.callbacks import Callback, State

NAME = "checkpoint.npz"


@dataclass(frozen=True)
class Place:
    """Where training was. `ended`: the last step of a run that a callback ended early, or 0;
    `unfinished_loss`: the loss of a round whose callbacks have yet to run, or NaN."""

    step: int = 0
    ended: int = 0
    unfinished_loss: float = float("nan")


class Writer:
    """Writes checkpoints on a thread, while training goes on; the last one is whole at the end of
    the `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._thread = folder, ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Raises what went wrong, such as a full disk."""
        self._thread.shutdown()
        if self._last:
            self._last.result()

    def save(self, place: Place, variables: Sequence[Any], states: Sequence[State]) -> None:
        """The state after a step. `variables`: Keras variables, in a fixed order. Raises what went
        wrong with the one before."""
        arrays: dict[str, Any] = {f"v{i}": np.array(v) for i, v in enumerate(variables)}
        for i, state in enumerate(states):
            arrays |= {f"c{i}_{name}": np.array(value) for name, value in state.items()}
        arrays["step"], arrays["ended"] = np.int64(place.step), np.int64(place.ended)
        arrays["unfinished_loss"] = place.unfinished_loss
        if self._last:
            self._last.result()
        self._last = self._thread.submit(_write, self.folder, arrays)


def _write(folder: Path, arrays: dict[str, Any]) -> None:
    unfinished = folder / "checkpoint.tmp"
    with unfinished.open("wb") as out:
        np.savez(out, **arrays)
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(folder / NAME)


def restore(folder: Path, variables: Sequence[Any], callbacks: Sequence[Callback]) -> Place:
    """Set variables and callbacks to what was saved. Raises UserError for another model's."""
    path = folder / NAME
    if not path.exists():
        return Place()
    with arrays_of(path) as saved:
        for i, variable in enumerate(variables):
            value = saved[f"v{i}"] if f"v{i}" in saved.files else np.zeros(0)
            if value.shape != tuple(variable.shape):
                raise UserError(
                    f"{path}: has {value.shape} where this model has {tuple(variable.shape)} "
                    f"({variable.path}): it was saved by another model or optimizer"
                )
            variable.assign(value)
        for i, callback in enumerate(callbacks):
            prefix = f"c{i}_"
            names = [name for name in saved.files if name.startswith(prefix)]
            callback.restore({name[len(prefix) :]: saved[name] for name in names})
        return Place(int(saved["step"]), int(saved["ended"]), float(saved["unfinished_loss"]))


@contextmanager
def arrays_of(path: Path) -> Iterator[Any]:
    """The arrays of an .npz file by their names. Raises UserError for a damaged one."""
    try:
        with np.load(path) as saved:
            yield saved
    except (zipfile.BadZipFile, EOFError, ValueError, KeyError) as error:
        raise UserError(f"{path}: damaged or of another model ({error}): copy it again") from error


def remove(folder: Path) -> None:
    """Forget the checkpoint, if there is one."""
    (folder / NAME).unlink(missing_ok=True)
