"""Training steps of Keras over seekable batches, with checkpoints from which a killed run ends with the same weights as an unbroken one.

A checkpoint holds all model and optimizer variables (with the seeds of dropout), the step, and what the product adds (best
weights, mined windows). Batches depend on (seed, step) only, so nothing is skipped or repeated after a restart.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import keras
import numpy as np

from trainer.workers import progress

log = logging.getLogger("trainer")
AHEAD = 4  # batches made before they are needed
REPORT_STEPS = 25
CHECKPOINT_SECONDS = 20.0


class Stopped(Exception):
    """The run was asked to stop (SIGTERM, Ctrl-C); what is finished is saved."""


class TrainingError(Exception):
    """Training cannot go on; one line."""


class Product(Protocol):
    """What a product adds to the loop: state that belongs into a checkpoint, and work between rounds."""

    def state(self) -> dict[str, np.ndarray]:
        """For the checkpoint."""

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """From a checkpoint."""

    def after_round(self, model: keras.Model, step: int, loss: float) -> dict[str, float]:
        """Called between rounds, with the averaged weights in the model; returns figures to show."""

    def goes_on(self, model: keras.Model) -> bool:
        """Called after that, with the trained weights back in the model, which it may change; False ends training."""


Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass
class Loop:
    """`steps` training steps in rounds of `round_steps`; a checkpoint after a round, at most one each 20 s."""

    model: keras.Model
    batch: Callable[[int], Batch]
    steps: int
    round_steps: int
    folder: Path
    product: Product
    optimizer: keras.optimizers.Optimizer
    loss: Any
    jit_compile: bool = True  # XLA for the whole step: the wake word layers are written for it
    label: str = "training"

    def __post_init__(self) -> None:
        self.model.compile(self.optimizer, self.loss, jit_compile=self.jit_compile)
        self.optimizer.build(self.model.trainable_variables)
        self._train_step = self._step_function()

    def run(self) -> None:
        """Train to the last step from the checkpoint that is there, if any. Raises Stopped, TrainingError."""
        step = self._restore()
        saved = time.monotonic()
        with stop_requests() as stop, progress(self.label, self.steps, step, "step") as bar:
            while step < self.steps:
                end = min((step // self.round_steps + 1) * self.round_steps, self.steps)
                loss_value: Any = 0.0
                self.model.reset_metrics()
                for batch in self._prefetched(step, end):
                    loss_value = self._train_step(batch)
                    step += 1
                    if stop.requested:
                        break
                    if step % REPORT_STEPS == 0:
                        bar.update(REPORT_STEPS)
                loss = float(loss_value)  # Keras' running mean over the round
                if not np.isfinite(loss):
                    raise TrainingError(f"the loss is {loss} at step {step}: try a smaller LEARNING_RATE")
                if step == end:
                    with self._averaged():
                        told = self.product.after_round(self.model, step, loss)
                    bar.update(0, loss=loss, **told)
                    if not self.product.goes_on(self.model):
                        self._save(self.steps)  # a killed run, started again, ends here too
                        break
                if stop.requested or step == self.steps or time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self._save(step)
                    saved = time.monotonic()
                if stop.requested:
                    raise Stopped(f"stopped at step {step} of {self.steps}; run the same command to go on")

    def _prefetched(self, start: int, end: int) -> Iterator[Batch]:
        """Batches start ... end - 1, made a few ahead on another thread; never beyond a round, whose end may change them."""
        with ThreadPoolExecutor(1) as thread:
            ahead = deque(thread.submit(self.batch, step) for step in range(start, min(start + AHEAD, end)))
            for step in range(start, end):
                batch = ahead.popleft().result()
                if step + AHEAD < end:
                    ahead.append(thread.submit(self.batch, step + AHEAD))
                yield batch

    def _step_function(self) -> Callable[[Batch], Any]:
        """One step of Keras' own `train_step`. With TensorFlow compiled here: `fit` and `train_on_batch` cost 4 to 10 ms
        a step around the 16 ms of arithmetic."""
        if keras.backend.backend() != "tensorflow":
            return lambda batch: self.model.train_on_batch(*batch)
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns of every new length of a batch
        compiled = tf.function(self.model.train_step, jit_compile=self.jit_compile)
        return lambda batch: compiled(tuple(tf.constant(part) for part in batch))["loss"]

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The model with the running mean of its weights, if the optimizer keeps one (Polyak & Juditsky 1992)."""
        if not self.optimizer.use_ema:
            yield
            return
        trained = [np.asarray(v).copy() for v in self.model.trainable_variables]
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        yield
        for variable, value in zip(self.model.trainable_variables, trained, strict=True):
            variable.assign(value)

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.optimizer.variables]

    def _save(self, step: int) -> None:
        arrays: dict[str, Any] = {f"v{i}": np.asarray(v) for i, v in enumerate(self._variables())}
        arrays |= {f"x_{k}": v for k, v in self.product.state().items()}
        unfinished = self.folder / "checkpoint.tmp"
        with unfinished.open("wb") as out:
            np.savez(out, step=np.int64(step), **arrays)
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


def cosine_adamw(steps: int, learning_rate: float, weight_decay: float) -> keras.optimizers.Optimizer:
    """AdamW whose rate rises for 200 steps and falls with a cosine, with averaged weights: without decay and average single
    outliers decide; see CONTRIBUTING."""
    return averaged_adamw(cosine(steps, learning_rate), steps, weight_decay)


def cosine(steps: int, learning_rate: float) -> keras.optimizers.schedules.LearningRateSchedule:
    """Rises for 200 steps, then falls to nearly nothing."""
    warm_up = min(200, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate * 0.1, max(steps - warm_up, 1), alpha=0.002, warmup_target=learning_rate, warmup_steps=warm_up,
    )


def averaged_adamw(rate: Any, steps: int, weight_decay: float, **more: Any) -> keras.optimizers.Optimizer:
    """AdamW with a running mean of the weights over the last sixth of the steps."""
    return keras.optimizers.AdamW(rate, weight_decay=weight_decay, **_steadied(steps), **more)


def averaged_muon(
    rate: Any, steps: int, weight_decay: float, last_layer: str, beta_1: float, beta_2: float, epsilon: float
) -> keras.optimizers.Optimizer:
    """The same with Muon for matrices (Jordan et al. 2024), its steps as large as AdamW's (Liu et al. 2025), which takes vectors and `last_layer`."""
    return keras.optimizers.Muon(
        rate, weight_decay=weight_decay, adam_weight_decay=weight_decay, exclude_layers=[last_layer], adam_beta_1=beta_1, adam_beta_2=beta_2,
        epsilon=epsilon, **_steadied(steps),
    )


def _steadied(steps: int) -> dict[str, Any]:
    """Short gradients, and averaged weights."""
    return {"clipnorm": 5.0, "use_ema": True, "ema_momentum": min(0.999, max(0.0, 1 - 6 / steps))}


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
        self._path, self._events = folder / "metrics.jsonl", EventFileWriter(str(folder / "logs"))
        self.cut()

    def cut(self, lines: int | None = None) -> None:
        """Keep the first lines only (all by default), and whole ones: a run that was cut off writes the others again."""
        there = self._path.read_text().splitlines(keepends=True) if self._path.exists() else []
        kept = [line for line in there[:lines] if line.endswith("}\n")]
        if there:
            self._path.write_text("".join(kept))
        self.lines = len(kept)

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line, and one point on each curve."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        with self._path.open("a") as out:
            out.write(json.dumps({"step": step, **values}) + "\n")
        self.lines += 1
        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._events.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=points)))
        self._events.flush()
