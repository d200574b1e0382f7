"""What is trained on what, and how: the definition of an experiment, and its training."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer.data.loader import AudioLoader
from trainer.errors import UserError
from trainer.experiment.callbacks import (
    Callback,
    Checkpoints,
    Context,
    ReleaseWindow,
    load_weights,
    save_weights,
)
from trainer.experiment.folders import WEIGHTS
from trainer.experiment.validation import Validation
from trainer.log import log
from trainer.metrics.recognition import CharacterErrorRate, Metric, WordErrorRate
from trainer.models.speech.base import Network, SpeechModel, network_of
from trainer.serialization import serializable
from trainer.training import devices
from trainer.training.callbacks import BestWeights, MetricsLog
from trainer.training.loop import Loop
from trainer.training.optimizers import InverseSquareRoot, ScaledRate, cosine, running_mean


@serializable
class Optimizer:
    """How weights change. `kind`: adamw, muon (Jordan et al. 2024; for matrices) or sgd;
    `schedule`: cosine (to nothing at the last step), constant, or inverse_square_root after
    `warm_up` steps; `clip`: largest norm of the gradient of a weight; `average`: use the running
    mean of the weights."""

    kind: str = "adamw"
    learning_rate: float = 0.002
    schedule: str = "cosine"
    warm_up: int = 500
    weight_decay: float = 0.01
    clip: float = 5.0
    average: bool = True
    momentum: float = 0.9

    def __post_init__(self) -> None:
        kinds, schedules = ("adamw", "muon", "sgd"), ("cosine", "constant", "inverse_square_root")
        if self.kind not in kinds:
            raise UserError(f"optimizer '{self.kind}': there are {', '.join(kinds)}")
        if self.schedule not in schedules:
            raise UserError(f"schedule '{self.schedule}': there are {', '.join(schedules)}")

    def rate(self, steps: int) -> ScaledRate:
        """The learning rate over the steps, times a factor that callbacks change."""
        if self.schedule == "cosine":
            return ScaledRate(cosine(steps, self.learning_rate))
        if self.schedule == "inverse_square_root":
            return ScaledRate(InverseSquareRoot(self.learning_rate, self.warm_up))
        return ScaledRate(self.learning_rate)

    def build(self, rate: ScaledRate, steps: int, accumulate: int) -> keras.optimizers.Optimizer:
        """As Keras has it."""
        # TensorFlow clips on each device, before the sum
        more: dict[str, Any] = {"clipnorm": self.clip / devices.parts() or None}
        if self.average:
            more |= running_mean(steps)
        if accumulate > 1:
            more["gradient_accumulation_steps"] = accumulate
        decay = self.weight_decay
        if self.kind == "muon":
            layers = ["logits", "convolution", "embedding"]
            more |= {"weight_decay": decay, "adam_weight_decay": decay, "exclude_layers": layers}
            return keras.optimizers.Muon(rate, **more)
        if self.kind == "sgd":
            more |= {"weight_decay": decay, "momentum": self.momentum, "nesterov": True}
            return keras.optimizers.SGD(rate, **more)
        return keras.optimizers.AdamW(rate, weight_decay=decay, **more)


@serializable
class Trainer:
    """A model, its data, and how it is trained. `validate_steps`: steps of a round, after which
    there is a validation and callbacks run; 0: an epoch. `metrics`: of `trainer.metrics`, your own,
    or of Keras. `average_best`: the result is the mean of the weights of so many best rounds by the
    first metric. `accumulate`: batches whose gradients are added before a step of the optimizer."""

    model: SpeechModel
    data: AudioLoader
    validation: AudioLoader | None = None
    metrics: Sequence[Metric | keras.metrics.Metric] = (WordErrorRate(), CharacterErrorRate())
    callbacks: Sequence[Callback | keras.callbacks.Callback] = ()
    epochs: int = 20
    optimizer: Optimizer = Optimizer()
    validate_steps: int = 0
    average_best: int = 1
    accumulate: int = 1
    mixed_precision: bool = False
    gpus: int = 1

    def __post_init__(self) -> None:
        self.metrics, self.callbacks = tuple(self.metrics), tuple(self.callbacks)
        for loader in filter(None, (self.data, self.validation)):
            bands = loader.dataset.processor.bands
            if bands != self.model.bands:
                raise UserError(
                    f"{loader.dataset.path}: features of {bands} bands, the model takes "
                    f"{self.model.bands}: give the model bands={bands}"
                )
            if outside := set(loader.dataset.labels) - set(self.model.labels):
                raise UserError(
                    f"{loader.dataset.path}: labels that the model does not have: "
                    f"{' '.join(sorted(outside))}; give the data set the labels of the training set"
                )
            if loader.dataset.labels != tuple(self.model.labels):
                loader.dataset.use_labels(tuple(self.model.labels))

    def network(self) -> Network:
        """A new one."""
        policy = "mixed_bfloat16" if self.mixed_precision else "float32"
        keras.config.set_dtype_policy(policy)
        try:
            return network_of(self.model)
        finally:
            keras.config.set_dtype_policy("float32")

    def train(self, folder: Path, seed: int) -> Network:
        """To the last step, from the checkpoint in `folder`, if any; weights.npz there.

        Raises Stopped and UserError.
        """
        keras.utils.set_random_seed(seed)
        self.data.begin(seed)
        with devices.shared(self.gpus) as strategy:
            return self._train(folder, strategy)

    def _train(self, folder: Path, strategy: Any) -> Network:
        network = self.network()
        steps = self.epochs * self.data.per_epoch
        rate = self.optimizer.rate(steps)
        optimizer = self.optimizer.build(rate, steps, self.accumulate)
        self._check_output(network)
        self._warn_of_short_clips()
        rounds = self.validate_steps or self.data.per_epoch
        best = self._best()
        context = Context(
            self.model, network, self.data, self.validation, rate, best,
            self.data.per_epoch / rounds,
        )  # fmt: skip
        callbacks: list[Any] = [Validation(self.validation, self.metrics, context), best]
        callbacks += [*self.callbacks, MetricsLog(folder)]
        for always in (Checkpoints, ReleaseWindow):
            if not any(isinstance(one, always) for one in self.callbacks):
                callbacks.append(always())
        for one in callbacks:
            if isinstance(one, Callback):
                one.begin(context)
        batch = partial(self._batch, devices.parts())
        loop = Loop(
            network, batch, steps, rounds, folder, callbacks, optimizer, None,
            jit_compile=keras.backend.backend() == "jax", any_size=True, strategy=strategy,
        )  # fmt: skip
        loop.run()
        if best.best:
            for weight, value in zip(network.weights, best.mean(), strict=True):
                weight.assign(value)
        save_weights(network.weights, folder / WEIGHTS)
        return network

    def _best(self) -> BestWeights:
        if self.validation is None:
            return BestWeights("loss", higher_is_better=False, count=self.average_best)
        first = next((one for one in self.metrics if isinstance(one, Metric)), None)
        if first is None:
            return BestWeights("val_loss", higher_is_better=False, count=self.average_best)
        return BestWeights(f"val_{first.name}", first.higher_is_better, self.average_best)

    def _batch(self, parts: int, step: int) -> tuple[Any, ...]:
        batch = self.data.batch(step, self.model.fewest_frames, self.model.views, self.gpus)
        batch = batch.by_part(self.model.views, parts) if parts > 1 else batch
        # each clip counts alike, in a large batch or a small one
        weight = len(batch) / (self.data.mean_size * self.model.views)
        weights = np.full(len(batch), weight, np.float32)
        return self.model.inputs(batch), self.model.targets(batch), weights

    def _check_output(self, network: Network) -> None:
        """Raises UserError for outputs that the loss or the decoder of the model cannot take."""
        batch = self.data.of(self.data.all()[0][:1])
        name = type(self.model).__name__
        try:
            outputs = devices.outputs_of(network, self.model.inputs(batch))
            self.model.transcripts(network, batch, outputs)
            self.model.evaluation_loss(self.model.targets(batch), outputs)
        except UserError:
            raise
        except Exception as error:  # whatever a network of the user's own may do
            raise UserError(
                f"{name}: its network, loss and decoder do not fit together on a clip of "
                f"{batch.features.shape[1]} frames and {batch.features.shape[2]} bands: "
                f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
            ) from error

    def _warn_of_short_clips(self) -> None:
        """With the number of clips that teach nothing."""
        for loader in filter(None, (self.data, self.validation)):
            dataset = loader.dataset
            frames = dataset.seconds_of_clips * dataset.processor.frames_per_second
            given = zip(frames.astype(int), dataset.targets, dataset.rows, strict=True)
            short = [row for n, labels, row in given if not self.model.learns(n, labels)]
            if short:
                log.warning(
                    "%s: %d of %d clips are too short for their transcripts and do not count in "
                    "the loss, such as %s '%s'", dataset.path.name, len(short), len(dataset),
                    Path(short[0].wav_filename).name, short[0].transcript[:60],
                )  # fmt: skip

    def loaded(self, path: Path) -> Network:
        """The network with the weights of a file."""
        network = self.network()
        load_weights(network, path)
        return network
