"""Keras `fit` over seekable batches, with checkpoints from which a killed run ends with the same weights as an unbroken one.

A checkpoint holds all model and optimizer variables (with the seeds of dropout), the step, and what the product adds (best
weights, mined windows). Batches depend on (seed, step) only, so nothing is skipped or repeated after a restart.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import keras
import numpy as np

from trainer.workers import progress

log = logging.getLogger("trainer")
FUSED_STEPS = 25  # training steps per call from Python


class Stopped(Exception):
    """The run was asked to stop (SIGTERM, Ctrl-C); what is finished is saved."""


class TrainingError(Exception):
    """Training cannot go on; one line."""


class Product(Protocol):
    """What a product adds to the loop: state that belongs into a checkpoint, and work between rounds."""

    def state(self) -> dict[str, np.ndarray]: ...
    def restore(self, state: dict[str, np.ndarray]) -> None: ...
    def after_round(self, model: keras.Model, step: int, loss: float) -> dict[str, float]: ...


Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass
class Loop:
    """`steps` training steps in rounds of `round_steps`; a checkpoint after every round, at most one each 20 s."""

    model: keras.Model
    batch: Callable[[int], Batch]
    steps: int
    round_steps: int
    folder: Path
    product: Product
    learning_rate: float = 1e-3
    label: str = "training"
    optimizer: keras.optimizers.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        warm_up = min(200, self.steps // 10)
        schedule = keras.optimizers.schedules.CosineDecay(
            self.learning_rate * 0.1, max(self.steps - warm_up, 1), alpha=0.002,
            warmup_target=self.learning_rate, warmup_steps=warm_up,
        )
        self.optimizer = keras.optimizers.Adam(schedule, clipnorm=5.0)
        self.model.compile(
            self.optimizer, keras.losses.BinaryCrossentropy(from_logits=True),
            # XLA on every backend: the layers are written for it
            jit_compile=True, steps_per_execution=FUSED_STEPS,
        )
        self.optimizer.build(self.model.trainable_variables)

    def run(self) -> None:
        """Train to the last step from the checkpoint that is there, if any. Raises Stopped, TrainingError."""
        step = self._restore()
        with stop_requests() as stop, progress(self.label, self.steps, step, "step") as bar:
            while step < self.steps:
                end = min((step // self.round_steps + 1) * self.round_steps, self.steps)
                counter = _Counter(stop, bar)
                history = self.model.fit(
                    self._dataset(step, end), steps_per_epoch=end - step, verbose=0, callbacks=[counter], shuffle=False
                )
                step += counter.done
                loss = float(history.history["loss"][-1]) if history.history.get("loss") else float("nan")
                if not np.isfinite(loss):
                    raise TrainingError(f"the loss is {loss} at step {step}: try a smaller LEARNING_RATE")
                if step % self.round_steps == 0 or step == self.steps:
                    bar.update(0, loss=loss, **self.product.after_round(self.model, step, loss))
                self._save(step)
                if stop.requested:
                    raise Stopped(f"stopped at step {step} of {self.steps}; run the same command to go on")

    def _dataset(self, start: int, end: int) -> Any:
        """Batches start ... end - 1 for `fit`. With TensorFlow many at a time: its generator costs 8 ms a call."""
        if keras.backend.backend() != "tensorflow":
            return (self.batch(step) for step in range(start, end))
        import tensorflow as tf

        def groups() -> Iterator[tuple[np.ndarray, ...]]:
            for first in range(start, end, FUSED_STEPS):
                group = [self.batch(step) for step in range(first, min(first + FUSED_STEPS, end))]
                yield tuple(np.stack(part) for part in zip(*group, strict=True))

        sample = self.batch(start)
        signature = tuple(tf.TensorSpec((None, *part.shape), part.dtype) for part in sample)
        return tf.data.Dataset.from_generator(groups, output_signature=signature).unbatch().prefetch(FUSED_STEPS)

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.optimizer.variables]

    def _save(self, step: int) -> None:
        arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(self._variables())}
        extra = {f"x_{k}": v for k, v in self.product.state().items()}
        unfinished = self.folder / "checkpoint.tmp"
        with unfinished.open("wb") as out:
            np.savez(out, step=np.int64(step), **arrays, **extra)
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(self.folder / "checkpoint.npz")

    def _restore(self) -> int:
        path = self.folder / "checkpoint.npz"
        if not path.exists():
            return 0
        with np.load(path) as saved:
            for i, variable in enumerate(self._variables()):
                variable.assign(saved[f"v{i}"])
            self.product.restore({k[2:]: saved[k] for k in saved.files if k.startswith("x_")})
            step = int(saved["step"])
        log.info("%s: going on at step %d of %d", self.label, step, self.steps)
        return step


class _Counter(keras.callbacks.Callback):
    """Counts batches, shows progress and stops the round when asked to."""

    def __init__(self, stop: StopRequest, bar: progress) -> None:
        super().__init__()
        self.stop, self.bar, self.done = stop, bar, 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        new = batch + 1 - self.done
        self.done = batch + 1
        self.bar.update(new)
        if self.stop.requested:
            self.model.stop_training = True


@dataclass
class StopRequest:
    """Set when the process is asked to stop."""

    requested: bool = False


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn SIGTERM and SIGINT into a request that the loop answers at the next safe place."""
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if request.requested:  # asked twice: at once
            raise Stopped("stopped at once; the last checkpoint is kept")
        request.requested = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class MetricsLog:
    """metrics.jsonl and TensorBoard's event files in one folder."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        (folder / "logs").mkdir(exist_ok=True)
        self._lines, self._events = folder / "metrics.jsonl", EventFileWriter(str(folder / "logs"))

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line, and one point on each curve."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        with self._lines.open("a") as out:
            out.write(json.dumps({"step": step, **values}) + "\n")
        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._events.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=points)))
        self._events.flush()
