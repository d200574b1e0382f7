"""Callbacks: what happens between rounds of training, with a state that each checkpoint keeps.

A product adds to the loop by a list of these: figures on held-out data, the choice of weights,
early stop. They run in order and share the round's figures. Keras' own callbacks work as well.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from trainer.log import log
from trainer.training.optimizers import ScaledRate

State = dict[str, np.ndarray]


@dataclass
class Round:
    """One round of training. Callbacks add to `figures`; `stop` ends the training."""

    model: keras.Model
    step: int
    steps: int
    figures: dict[str, float]
    number: int = 0  # of this round, from 1
    folder: Path = Path()  # of the run
    stop: bool = False


class Callback:
    """Base: no state, no action."""

    def state(self) -> State:
        """What a checkpoint must keep."""
        return {}

    def restore(self, state: State) -> None:
        """Set to what `state` returned when the checkpoint was saved."""

    def on_round_end(self, current: Round) -> None:
        """Called after each round, with the averaged weights in the model."""

    def before_next_round(self, current: Round) -> None:
        """Called next, with the trained weights back in the model; it may change the model."""


class RunningFigures(Callback):
    """Running means over a round, such as the loss: a run that was killed within a round goes on
    with them."""

    def __init__(self, model: keras.Model) -> None:
        self.model, self.total, self.clips = model, 0.0, 0

    def reset(self) -> None:
        """At the start of a round."""
        self.model.reset_metrics()
        self.total, self.clips = 0.0, 0

    def mean_with(self, loss: float, clips: int) -> float:
        """The mean loss of the round with one more batch: on JAX, Keras forgets those before."""
        self.total += loss * clips
        self.clips += clips
        return self.total / self.clips

    def state(self) -> State:
        keras_own = {str(i): np.asarray(v) for i, v in enumerate(self.model.metrics_variables)}
        return {**keras_own, "total": np.array(self.total), "clips": np.array(self.clips)}

    def restore(self, state: State) -> None:
        for i, variable in enumerate(self.model.metrics_variables):
            if str(i) in state:
                variable.assign(state[str(i)])
        if "clips" in state:
            self.total, self.clips = float(state["total"]), int(state["clips"])


@dataclass
class Scored:
    """The weights of one round and its score."""

    score: float
    weights: list[np.ndarray]


class BestWeights(Callback):
    """Keeps the weights of the `count` best rounds by one figure; of equal ones the later."""

    def __init__(self, figure: str, higher_is_better: bool, count: int = 1) -> None:
        self.figure, self.count = figure, count
        self._sign = -1.0 if higher_is_better else 1.0
        self.best: list[Scored] = []  # the best first

    def on_round_end(self, current: Round) -> None:
        if self.figure not in current.figures:
            return
        weights = [np.asarray(w).copy() for w in current.model.weights]
        self.best.insert(0, Scored(current.figures[self.figure], weights))
        self.best.sort(key=lambda one: self._sign * one.score)
        del self.best[self.count :]

    def mean(self) -> list[np.ndarray]:
        """The best weights, or the mean of the best."""
        return [
            np.mean(parts, axis=0) if parts[0].dtype.kind == "f" else parts[0]
            for parts in zip(*(one.weights for one in self.best), strict=True)
        ]

    def state(self) -> State:
        found = {"scores": np.array([one.score for one in self.best])}
        for i, one in enumerate(self.best):
            found |= {f"best{i}_{j}": weight for j, weight in enumerate(one.weights)}
        return found

    def restore(self, state: State) -> None:
        count = sum(name.startswith("best0_") for name in state)
        self.best = [
            Scored(float(score), [state[f"best{i}_{j}"] for j in range(count)])
            for i, score in enumerate(state["scores"])
        ]


class _Patience(Callback):
    """Counts the rounds since a figure last fell by more than `min_delta`."""

    def __init__(self, figure: str, rounds: float, min_delta: float) -> None:
        self.figure, self.rounds, self.min_delta = figure, rounds, min_delta
        self.lowest, self.waited = np.inf, 0

    def on_round_end(self, current: Round) -> None:
        self.waited += 1
        if current.figures[self.figure] < self.lowest - self.min_delta:
            self.lowest, self.waited = current.figures[self.figure], 0

    def state(self) -> State:
        return {"lowest": np.array(self.lowest), "waited": np.array(self.waited)}

    def restore(self, state: State) -> None:
        self.lowest, self.waited = float(state["lowest"]), int(state["waited"])


class EarlyStopping(_Patience):
    """Ends the training when the figure has not fallen for `rounds` rounds."""

    def before_next_round(self, current: Round) -> None:
        if self.waited and self.waited >= self.rounds:
            log.info("early stop: %s has not fallen for %d rounds", self.figure, self.waited)
            current.stop = True


class ReduceOnPlateau(_Patience):
    """Goes back to the best weights with a lower learning rate each time the figure stalls."""

    def __init__(
        self,
        figure: str,
        rounds: float,
        min_delta: float,
        rate: ScaledRate,
        reduction: float,
        best: BestWeights,
    ) -> None:
        super().__init__(figure, rounds, min_delta)
        self.rate, self.reduction, self.best = rate, reduction, best

    def before_next_round(self, current: Round) -> None:
        if current.stop or not self.waited or self.waited % max(1, round(self.rounds)):
            return
        self.rate.factor.assign(float(np.asarray(self.rate.factor)) * self.reduction)
        best = self.best.best[0].weights
        for weight, value in zip(current.model.weights, best, strict=True):
            weight.assign(value)
        log.info("plateau: back to the best weights, learning rate times %g", self.reduction)

    def state(self) -> State:
        return {**super().state(), "factor": np.asarray(self.rate.factor)}

    def restore(self, state: State) -> None:
        super().restore(state)
        self.rate.factor.assign(state["factor"])


class MetricsLog(Callback):
    """Writes the figures of each round to metrics.jsonl and TensorBoard's event files."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        (folder / "logs").mkdir(exist_ok=True)
        self._path = folder / "metrics.jsonl"
        self._events = EventFileWriter(str(folder / "logs"))
        self._cut(None)

    def _cut(self, lines: int | None) -> None:
        """Keep the first lines only (None: all whole ones): the others are written again."""
        exists = self._path.exists()
        old = self._path.read_text().splitlines(keepends=True) if exists else []
        kept = [line for line in old[:lines] if line.endswith("}\n")]
        if old:
            self._path.write_text("".join(kept))
        self._lines = len(kept)

    def on_round_end(self, current: Round) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        with self._path.open("a") as out:
            out.write(json.dumps({"step": current.step, **current.figures}) + "\n")
        self._lines += 1
        points = [Summary.Value(tag=k, simple_value=v) for k, v in current.figures.items()]
        summary = Summary(value=points)
        self._events.add_event(Event(wall_time=time.time(), step=current.step, summary=summary))
        self._events.flush()

    def state(self) -> State:
        return {"lines": np.array(self._lines)}

    def restore(self, state: State) -> None:
        self._cut(int(state["lines"]))


class KerasCallback(Callback):
    """One of Keras' own callbacks; a round counts as its epoch. Its numbers are kept as state."""

    def __init__(self, callback: keras.callbacks.Callback) -> None:
        self.callback = callback
        self._epoch = 0
        self._restored: State = {}

    def on_round_end(self, current: Round) -> None:
        if self.callback.model is None:
            self.callback.set_model(current.model)
            self.callback.on_train_begin({})  # resets what was restored
            vars(self.callback).update({k: v.item() for k, v in self._restored.items()})
        current.model.stop_training = False
        self.callback.on_epoch_end(self._epoch, dict(current.figures))
        self._epoch += 1

    def before_next_round(self, current: Round) -> None:
        current.stop = current.stop or current.model.stop_training

    def state(self) -> State:
        numbers = {k: v for k, v in vars(self.callback).items() if isinstance(v, (int, float))}
        return {"epoch": np.array(self._epoch), **{k: np.array(v) for k, v in numbers.items()}}

    def restore(self, state: State) -> None:
        self._epoch = int(state["epoch"])
        self._restored = {name: value for name, value in state.items() if name != "epoch"}
