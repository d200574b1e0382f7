"""Callbacks of experiments: what happens after each round (an epoch, or `validate_steps` steps).

Those of Keras are taken too. One of your own is a serializable class with `on_round_end`; what it
must remember over a restart is returned by `state` and set by `restore`.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from trainer.audio.io import write_wav
from trainer.data.loader import AudioLoader
from trainer.log import log, minutes
from trainer.models.speech.base import Network, SpeechModel
from trainer.serialization import serializable
from trainer.steps import write_whole
from trainer.training import callbacks as shared
from trainer.training.callbacks import BestWeights, Round, Scored, State
from trainer.training.checkpoint import arrays_of
from trainer.training.optimizers import ScaledRate


@dataclass
class Context:
    """What callbacks can use: set before training begins."""

    model: SpeechModel
    network: Network
    loader: AudioLoader
    validation: AudioLoader | None
    rate: ScaledRate
    best: BestWeights
    rounds_a_epoch: float
    texts: list[tuple[str, str]] = field(default_factory=list)  # of the last validation


class Callback(shared.Callback):
    """Base."""

    __serializable_base__: ClassVar[bool] = True
    context: Context

    def begin(self, context: Context) -> None:
        """Called once, before the checkpoint is restored."""
        self.context = context


@serializable
class EarlyStopping(shared.EarlyStopping, Callback):
    """Ends the training when `monitor` has not fallen by `min_delta` for `patience` rounds."""

    monitor: str = "val_loss"
    patience: int = 5
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        super().__init__(self.monitor, self.patience, self.min_delta)


@serializable
class ReduceOnPlateau(shared.ReduceOnPlateau, Callback):
    """Goes back to the best weights with the learning rate times `factor` when `monitor` has not
    fallen for `patience` rounds."""

    monitor: str = "val_loss"
    patience: int = 10
    factor: float = 0.1
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        shared._Patience.__init__(self, self.monitor, self.patience, self.min_delta)

    def begin(self, context: Context) -> None:
        super().begin(context)
        self.rate, self.reduction, self.best = context.rate, self.factor, context.best


class _Scaled(Callback):
    """Changes the factor of the learning rate, which checkpoints hold."""

    def state(self) -> State:
        return {"factor": np.asarray(self.context.rate.factor)}

    def restore(self, state: State) -> None:
        self.context.rate.factor.assign(state["factor"])

    def _scale(self, by: float, lowest: float = 0.0) -> None:
        factor = self.context.rate.factor
        factor.assign(max(float(np.asarray(factor)) * by, lowest))


@serializable
class StepwiseRate(_Scaled):
    """The learning rate times `factor` every `rounds` rounds, not below `lowest` of the first."""

    rounds: int = 10
    factor: float = 0.5
    lowest: float = 0.0

    def before_next_round(self, current: Round) -> None:
        if current.number % self.rounds == 0:
            self._scale(self.factor, self.lowest)


@serializable
class ScheduledRate(_Scaled):
    """The learning rate times `factor` after each of these `rounds`."""

    rounds: tuple[int, ...] = ()
    factor: float = 0.5

    def before_next_round(self, current: Round) -> None:
        if current.number in self.rounds:
            self._scale(self.factor)


@serializable
class Checkpoints(Callback):
    """Weights of the last `keep` rounds, and of the best one by the first metric, in
    checkpoints/."""

    keep: int = 3

    def begin(self, context: Context) -> None:
        super().begin(context)
        self._best: Scored | None = None

    def on_round_end(self, current: Round) -> None:
        folder = current.folder / "checkpoints"
        folder.mkdir(exist_ok=True)
        save_weights(self.context.network.weights, folder / f"round-{current.number:04d}.npz")
        for old in sorted(folder.glob("round-*.npz"))[: -self.keep]:
            old.unlink()
        best = self.context.best.best
        if best and best[0] is not self._best:
            save_weights(best[0].weights, folder / "best.npz")
            self._best = best[0]


def save_weights(weights: Sequence[Any], path: Path) -> None:
    """In their order; the file appears when it is whole."""
    unfinished = path.with_suffix(".tmp")
    arrays: dict[str, Any] = {f"w{i}": np.asarray(w) for i, w in enumerate(weights)}
    with unfinished.open("wb") as out:
        np.savez(out, **arrays)
    unfinished.replace(path)


def load_weights(network: keras.Model, path: Path) -> None:
    """What `save_weights` wrote. Raises UserError."""
    with arrays_of(path) as saved:
        for i, weight in enumerate(network.weights):
            weight.assign(saved[f"w{i}"])


@serializable
class History(Callback):
    """The figures of all rounds, in `rounds`: also in metrics.jsonl."""

    def __post_init__(self) -> None:
        self.rounds: list[Mapping[str, float]] = []

    def on_round_end(self, current: Round) -> None:
        self.rounds.append(dict(current.figures))

    def state(self) -> State:
        return {"rounds": np.array(json.dumps(self.rounds))}

    def restore(self, state: State) -> None:
        self.rounds = json.loads(str(state["rounds"]))


@serializable
class TextComparison(Callback):
    """References and hypotheses of `count` validation clips after each round, in samples.jsonl;
    their audio in samples/."""

    count: int = 8

    def on_round_end(self, current: Round) -> None:
        validation = self.context.validation
        if validation is None:
            return
        folder = current.folder / "samples"
        folder.mkdir(exist_ok=True)
        shown = np.linspace(0, len(self.context.texts) - 1, self.count).astype(int)
        rows = []
        for number in dict.fromkeys(map(int, shown)):
            reference, hypothesis = self.context.texts[number]
            path = folder / f"{number:05d}.wav"
            if not path.exists():
                unfinished = path.with_name("unfinished.wav")
                write_wav(unfinished, validation.dataset.store[number])
                unfinished.replace(path)
            rows.append({"audio": path.name, "reference": reference, "hypothesis": hypothesis})
        add_row(current.folder / "samples.jsonl", {"step": current.step, "texts": rows})


def add_row(path: Path, row: Mapping[str, Any]) -> None:
    """A line of JSON after those of earlier steps; later ones, of a run that was killed, go."""
    old = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [line for line in old if json.loads(line)["step"] < row["step"]]
    write_whole(path, "".join([*kept, json.dumps(row, ensure_ascii=False) + "\n"]))


@serializable
class GradientNorms(Callback):
    """The norm of the gradient of each layer on one batch after each round, in gradients.jsonl."""

    def begin(self, context: Context) -> None:
        super().begin(context)
        self._gradients = _gradients_of(context.network)

    def on_round_end(self, current: Round) -> None:
        context = self.context
        batch = context.loader.batch(0, context.model.fewest_frames)
        found = self._gradients(context.model.inputs(batch), context.model.targets(batch))
        norms: dict[str, float] = {}
        for weight, gradient in zip(context.network.trainable_weights, found, strict=True):
            layer = weight.path.rsplit("/", 1)[0]
            norms[layer] = norms.get(layer, 0.0) + float(np.square(np.asarray(gradient)).sum())
        row = {"step": current.step, **{name: value**0.5 for name, value in norms.items()}}
        add_row(current.folder / "gradients.jsonl", row)


def _gradients_of(network: Network) -> Callable[[Any, Any], list[Any]]:
    """gradients(inputs, targets) of the trainable weights."""
    model = network.model
    if keras.backend.backend() == "jax":
        import jax

        def loss(values: Any, others: Any, inputs: Any, targets: Any) -> Any:
            outputs, _ = network.stateless_call(values, others, inputs, training=False)
            return ops.mean(model.evaluation_loss(targets, outputs))

        compiled = jax.jit(jax.grad(loss))

        def gradients(inputs: Any, targets: Any) -> list[Any]:
            values = [v.value for v in network.trainable_variables]
            others = [v.value for v in network.non_trainable_variables]
            return list(compiled(values, others, inputs, targets))

        return gradients
    import tensorflow as tf

    @tf.function
    def of_tensors(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = network(inputs, training=False)
            value = ops.mean(model.evaluation_loss(targets, outputs))
        variables = [v.value for v in network.trainable_weights]
        return tape.gradient(value, variables, unconnected_gradients="zero")

    def found(inputs: Any, targets: Any) -> list[Any]:
        return list(of_tensors(*keras.tree.map_structure(tf.constant, (inputs, targets))))

    return found


@serializable
class EpochEstimate(Callback):
    """Logs after the first round how long an epoch and the whole training take."""

    def begin(self, context: Context) -> None:
        super().begin(context)
        self._began, self._first, self._step, self._logged = time.monotonic(), 0, 0, False

    def restore(self, state: State) -> None:
        self._first = self._step = int(state["step"])

    def on_round_end(self, current: Round) -> None:
        self._step = current.step
        if self._logged or current.step == self._first:
            return
        each = (time.monotonic() - self._began) / (current.step - self._first)
        steps = current.step / current.number * self.context.rounds_a_epoch
        left = each * (current.steps - current.step)
        log.info("an epoch takes %s, the rest %s", minutes(each * steps), minutes(left))
        self._logged = True

    def state(self) -> State:
        return {"step": np.array(self._step)}


@serializable
class ReleaseWindow(Callback):
    """Ends the soft window about the diagonal in which attention starts, after the round in which
    `share` of the training is done. (The trainer adds it where it is missing.)"""

    share: float = 0.25

    def before_next_round(self, current: Round) -> None:
        if current.step >= self.share * current.steps:
            for weight in self.context.network.non_trainable_weights:
                if weight.path.endswith("/open"):
                    weight.assign(1.0)
