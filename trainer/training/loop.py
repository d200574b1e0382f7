"""The training loop: Keras' own `train_step` over seekable batches.

Batches depend on (seed, step) only, and a checkpoint holds all variables (with the states of
dropout's seed generators), the step and the callbacks' states: a killed run ends with the same
weights as an unbroken one.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import numpy as np

from trainer import signals
from trainer.errors import Stopped, UserError
from trainer.log import log, progress
from trainer.training import checkpoint, devices
from trainer.training.callbacks import Callback, KerasCallback, Round, RunningFigures

AHEAD = 4  # batches made before they are needed
REPORT_STEPS = 25
CHECKPOINT_SECONDS = 20.0
Batch = tuple[Any, ...]  # inputs (one array or several), targets, perhaps weights


@dataclass
class Loop:
    """`steps` training steps in rounds of `round_steps`; checkpoints at most every 20 s."""

    model: keras.Model
    batch: Callable[[int], Batch]
    steps: int
    round_steps: int
    folder: Path
    callbacks: Sequence[Callback | keras.callbacks.Callback]
    optimizer: keras.optimizers.Optimizer
    loss: Any  # a Keras loss or function of (targets, outputs)
    jit_compile: bool = True  # XLA for the whole step: the wake word layers are written for it
    any_size: bool = False  # one graph for batches of all sizes, where it is not compiled by XLA
    strategy: Any = None  # of devices.shared, for several devices
    label: str = "training"

    def __post_init__(self) -> None:
        self.model.compile(self.optimizer, self.loss, jit_compile=self.jit_compile)
        self.optimizer.build(self.model.trainable_variables)
        self._callbacks = [
            one if isinstance(one, Callback) else KerasCallback(one) for one in self.callbacks
        ]
        self._figures = RunningFigures(self.model)
        self._callbacks.append(self._figures)
        self._train_step = self._step_function()

    def run(self) -> None:
        """Train to the last step, from the checkpoint if there is one.

        Raises Stopped and UserError.
        """
        with checkpoint.Writer(self.folder) as self._writer:
            self._run()

    def _run(self) -> None:
        place = checkpoint.restore(self.folder, self._variables(), self._callbacks)
        step = place.step
        if place.ended == self.steps:  # by a callback
            return
        if step:
            log.info("%s: resuming at step %d of %d", self.label, step, self.steps)
        if np.isfinite(place.unfinished_loss) and self._end_round(step, place.unfinished_loss).stop:
            self._save(step, self.steps)
            return
        saved = time.monotonic()
        with stop_requests() as stop, progress(self.label, self.steps, step, "step") as bar:
            while step < self.steps:
                end = min((step // self.round_steps + 1) * self.round_steps, self.steps)
                loss_value: Any = 0.0
                if step % self.round_steps == 0:
                    self._figures.reset()
                for batch in self._prefetched(step, end):
                    loss_value = self._train_step(batch)
                    step += 1
                    if stop.requested:
                        break
                    if step % REPORT_STEPS == 0:
                        bar.update(REPORT_STEPS)
                    if step < end and time.monotonic() - saved > CHECKPOINT_SECONDS:
                        self._save(step)
                        saved = time.monotonic()
                loss = float(loss_value)  # the running mean over the round
                if not np.isfinite(loss):
                    raise UserError(
                        f"the loss is {loss} at step {step}: try a smaller LEARNING_RATE"
                    )
                if step == end:
                    current = self._end_round(step, loss)
                    bar.update(0, **current.figures)
                    if current.stop:
                        self._save(step, self.steps)  # a killed run ends here too
                        break
                due = time.monotonic() - saved > CHECKPOINT_SECONDS
                if stop.requested or step == self.steps or due:
                    self._save(step)
                    saved = time.monotonic()
                if stop.requested:
                    raise Stopped(
                        f"stopped at step {step} of {self.steps}; run the same command to go on"
                    )

    def _end_round(self, step: int, loss: float) -> Round:
        number = -(-step // self.round_steps)
        current = Round(self.model, step, self.steps, {"loss": loss}, number, self.folder)
        states = [callback.state() for callback in self._callbacks]  # as before this round
        variables = [np.asarray(v) for v in self._variables()]
        running: object = None
        try:
            with self._averaged():
                for running in self._callbacks:
                    running.on_round_end(current)
            for running in self._callbacks:
                running.before_next_round(current)
        except (Stopped, UserError, OSError, MemoryError):
            raise
        except Exception as error:
            self._writer.save(checkpoint.Place(step, 0, loss), variables, states)
            name = type(getattr(running, "callback", running)).__name__
            raise UserError(
                f"{name} failed after step {step}: {type(error).__name__}: {error}; the run is "
                "saved: mend it, and go on with the same command"
            ) from error
        return current

    def _prefetched(self, start: int, end: int) -> Iterator[Batch]:
        """Batches start ... end - 1, made a few ahead on another thread; never beyond a round,
        whose end may change them."""
        with ThreadPoolExecutor(1) as thread:
            first = range(start, min(start + AHEAD, end))
            ahead = deque(thread.submit(self.batch, step) for step in first)
            for step in range(start, end):
                batch = ahead.popleft().result()
                if step + AHEAD < end:
                    ahead.append(thread.submit(self.batch, step + AHEAD))
                yield batch

    def _step_function(self) -> Callable[[Batch], Any]:
        """One step of Keras' `train_step`. With TensorFlow compiled here: `fit` and
        `train_on_batch` cost 4 to 10 ms a step around 16 ms of arithmetic."""
        if keras.backend.backend() != "tensorflow":

            def on_batch(batch: Batch) -> float:
                clips = len(keras.tree.flatten(batch)[0])
                return self._figures.mean_with(float(self.model.train_on_batch(*batch)), clips)

            return on_batch
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns of every new length of a batch
        if self.strategy is not None:
            return devices.step_function(self.strategy, self.model.train_step)
        compiled: Any = None

        def step(batch: Batch) -> Any:
            nonlocal compiled
            tensors = keras.tree.map_structure(tf.constant, batch)
            if compiled is None:
                signature = None
                if self.any_size:
                    signature = [keras.tree.map_structure(_of_any_size, tensors)]
                compiled = tf.function(self.model.train_step, signature, None, self.jit_compile)
            return compiled(tensors)["loss"]

        return step

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The model with the running mean of its weights, if the optimizer keeps one (Polyak &
        Juditsky 1992)."""
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

    def _save(self, step: int, ended: int = 0) -> None:
        states = [callback.state() for callback in self._callbacks]
        self._writer.save(checkpoint.Place(step, ended), self._variables(), states)


def _of_any_size(tensor: Any) -> Any:
    """The signature of tensors of this kind and rank; features keep their width."""
    import tensorflow as tf

    sizes: list[int | None] = [None] * len(tensor.shape)
    if tensor.dtype.is_floating and len(sizes) > 2:
        sizes[-1] = tensor.shape[-1]
    return tf.TensorSpec(sizes, tensor.dtype)


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
            signals.leave("stopped at once; the last checkpoint is kept")
        request.requested = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
