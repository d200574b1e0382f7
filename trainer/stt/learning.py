"""What training by CTC adds to the loop: the loss, and the choice of weights on dev clips."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer.metrics import edit_counts, error_rate
from trainer.models import deepspeech
from trainer.settings_stt import SpeechSettings
from trainer.stt.augmentation import parse
from trainer.stt.batches import HEAD, Batches, Changes, batch_of
from trainer.stt.checkpoints import Start, transfer
from trainer.stt.preparation import Clips
from trainer.stt.splicing import Words
from trainer.text import Alphabet, collapse
from trainer.training import Loop, MetricsLog, TrainingError, averaged_adamw, averaged_muon, cosine

log = logging.getLogger("trainer")
ROUND_SECONDS_OF_AUDIO = 3600  # the dev set is heard after about so much audio, at least once an epoch


def ctc(targets: Any, logits: Any) -> Any:
    """CTC loss of each clip. `targets` as of `batch_of`; the blank is the last class."""
    import tensorflow as tf

    targets = tf.cast(targets, tf.int32)
    frames, count, labels = targets[:, 0], targets[:, 1], targets[:, HEAD:]
    used = tf.sequence_mask(count, tf.shape(labels)[1])
    sparse = tf.SparseTensor(tf.where(used), tf.boolean_mask(labels, used), tf.cast(tf.shape(labels), tf.int64))
    return tf.compat.v1.nn.ctc_loss(sparse, logits, frames, time_major=False)


def agreeing(weight: float, targets: Any, logits: Any) -> Any:
    """`ctc` of two views of each clip (rows: all first views, then the second ones), and `weight` times how far what a view hears in each frame
    is from what the other one hears: CR-CTC (Yao et al. 2025).
    """
    import tensorflow as tf

    heard = tf.nn.log_softmax(logits)
    one, other = tf.split(heard, 2)
    there = tf.sequence_mask(tf.cast(targets, tf.int32)[:, 0], tf.shape(logits)[1], logits.dtype)
    wanted = tf.stop_gradient(tf.concat([other, one], 0))
    return ctc(targets, logits) + weight * tf.reduce_sum(tf.reduce_sum(tf.exp(wanted) * (wanted - heard), 2) * there, 1)


class Unusable:
    """Clips whose loss was not finite in training: named once, and left out of the step."""

    def __init__(self, clips: Clips, loss: Callable[[Any, Any], Any] = ctc) -> None:
        self.clips, self.numbers, self._loss = clips, set[int](), loss

    def loss(self, targets: Any, logits: Any) -> Any:
        """The loss, zero for such clips and without a gradient from them."""
        import tensorflow as tf

        @tf.custom_gradient
        def guarded(x: Any) -> tuple[Any, Any]:
            return tf.identity(x), lambda given: tf.where(tf.math.is_finite(given), given, 0.0)

        each = self._loss(targets, guarded(logits))
        finite = tf.math.is_finite(each)
        with tf.control_dependencies([tf.cond(tf.reduce_all(finite), lambda: tf.constant(0), lambda: self._told(targets, finite))]):
            return tf.where(finite, each, 0.0)

    def check(self) -> None:
        """Raises TrainingError when it is not the clips."""
        if len(self.numbers) * 2 > len(self.clips.labels):
            raise TrainingError("the loss of most clips is not finite: try a smaller LEARNING_RATE")

    def _told(self, targets: Any, finite: Any) -> Any:
        import tensorflow as tf

        def note(numbers: Any) -> int:
            for number in set(map(int, np.asarray(numbers))) - self.numbers:
                self.numbers.add(number)
                log.warning("%s: its loss is not finite; the clip is left out of the step", self.clips.names[number].path)
            return 0

        return tf.py_function(note, [tf.boolean_mask(tf.cast(targets, tf.int32)[:, 2], ~finite)], tf.int32)


class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule times a factor that may be changed in training."""

    def __init__(self, schedule: Any) -> None:
        self.schedule, self.factor = schedule, keras.Variable(1.0, trainable=False, name="rate_factor")

    def __call__(self, step: Any) -> Any:
        """Learning rate of a step."""
        return (self.schedule(step) if callable(self.schedule) else self.schedule) * self.factor

    def get_config(self) -> dict[str, Any]:
        """Not kept: a checkpoint holds the variables."""
        return {}


@dataclass
class Best:
    """Weights of one round and what they reached."""

    score: float
    weights: list[np.ndarray]


class Learning:
    """The product part of the loop: dev set, choice of weights, early stop, plateau; where the words are."""

    def __init__(
        self, s: SpeechSettings, dev: Clips, metrics: Clips | None, alphabet: Alphabet, rate: Rate, rounds_per_epoch: float, folder: Path,
        words: Words | None = None, total: int = 1,
    ) -> None:
        self.s, self.dev, self.metrics, self.alphabet, self.rate = s, dev, metrics, alphabet, rate
        self.words, self.total = words, total
        self.rounds_per_epoch, self.log = rounds_per_epoch, MetricsLog(folder)
        self.best: list[Best] = []  # the best first, by character error rate: the loss rises long before
        self.lowest_loss, self.waited = np.inf, 0

    def state(self) -> dict[str, np.ndarray]:
        """Best weights, and how long the loss has not fallen, for the checkpoint."""
        told = {"lines": np.array(self.log.lines), "scores": np.array([b.score for b in self.best]), "lowest": np.array(self.lowest_loss),
                "waited": np.array(self.waited), "factor": np.asarray(self.rate.factor)}
        told |= self.words.state() if self.words else {}
        return told | {f"best{i}_{j}": w for i, b in enumerate(self.best) for j, w in enumerate(b.weights)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """From a checkpoint."""
        count = sum(k.startswith("best0_") for k in state)
        self.best = [Best(float(score), [state[f"best{i}_{j}"] for j in range(count)]) for i, score in enumerate(state["scores"])]
        self.lowest_loss, self.waited = float(state["lowest"]), int(state["waited"])
        self.rate.factor.assign(state["factor"])
        self.log.cut(int(state["lines"]))
        if self.words:
            self.words.restore(state)

    def after_round(self, model: keras.Model, step: int, loss: float) -> dict[str, float]:
        """Dev loss and error rates; keep the weights of the best rounds."""
        figures = evaluate(model, self.dev, self.alphabet, self.s.dev_batch_size)
        if self.metrics is not None:
            figures |= {f"metrics_{k}": v for k, v in evaluate(model, self.metrics, self.alphabet, self.s.dev_batch_size).items()}
        self.best.insert(0, Best(figures["cer"], [np.asarray(w).copy() for w in model.weights]))  # of equals the later comes first
        self.best = sorted(self.best, key=lambda b: b.score)[: self.s.average_best]
        self.waited += 1
        if figures["dev_loss"] < self.lowest_loss - self.s.es_min_delta:
            self.lowest_loss, self.waited = figures["dev_loss"], 0
        self.log.write(step, {"loss": loss, **figures})
        if self.words:
            self.words.update(model, step / self.total)
        return figures

    def goes_on(self, model: keras.Model) -> bool:
        """Early stop, and back to the best weights on a plateau."""
        if not self.waited:
            return True
        if self.s.early_stop and self.waited >= self.s.es_epochs * self.rounds_per_epoch:
            log.info("early stop: dev loss has not fallen for %d epochs", self.s.es_epochs)
            return False
        if self.s.reduce_lr_on_plateau and self.waited % max(1, round(self.s.plateau_epochs * self.rounds_per_epoch)) == 0:
            self.rate.factor.assign(float(np.asarray(self.rate.factor)) * self.s.plateau_reduction)
            for weight, value in zip(model.weights, self.best[0].weights, strict=True):
                weight.assign(value)
            log.info("plateau: back to the best weights, learning rate times %g", self.s.plateau_reduction)
        return True

    def result(self) -> list[np.ndarray]:
        """The best weights, or the mean of the best."""
        return [np.mean(parts, axis=0) if parts[0].dtype.kind == "f" else parts[0] for parts in zip(*(b.weights for b in self.best), strict=True)]


def train(s: SpeechSettings, alphabet: Alphabet, sets: dict[str, Clips], spec: Any, start: Start | None, out: Path) -> None:
    """weights.npz in `out`; goes on from the checkpoint there. Raises Stopped, TrainingError."""
    import tensorflow as tf

    if s.inter_op_parallelism_threads or s.intra_op_parallelism_threads:
        tf.config.threading.set_inter_op_parallelism_threads(s.inter_op_parallelism_threads)
        tf.config.threading.set_intra_op_parallelism_threads(s.intra_op_parallelism_threads)
    keras.utils.set_random_seed(s.random_seed)
    # bfloat16: the range of 32 bits, so that no loss need be scaled
    keras.config.set_dtype_policy("mixed_bfloat16" if s.automatic_mixed_precision else "float32")
    heard, dev = sets["train"], sets["dev"]
    model = deepspeech.build(spec)
    keras.config.set_dtype_policy("float32")
    if start:
        deepspeech.load_weights(model, transfer(deepspeech.weights_of(model), start, alphabet, s.drop_source_layers)[0])
    if s.epochs:
        batches = Batches(heard, s.train_batch_size, s.random_seed, math.ceil(s.batch_seconds * (1000 / s.feature_win_step)))
        total = s.epochs * batches.per_epoch
        seconds = s.features.seconds(int(heard.frames.index["length"].sum()))
        epochs_a_round = max(1, round(ROUND_SECONDS_OF_AUDIO / seconds))
        if s.early_stop or s.reduce_lr_on_plateau:
            epochs_a_round = 1
        words = Words(heard, alphabet, s.splice, s.dev_batch_size) if s.splice else None
        changes = Changes(s.voices, parse(s.augmentations(), s.features) if s.augmentations() else None, words, 2 if s.consistency else 1)
        rate = Rate(cosine(total, s.learning_rate) if s.learning_rate_schedule == "cosine" else s.learning_rate)
        learning = Learning(s, dev, sets.get("metrics"), alphabet, rate, 1 / epochs_a_round, out, words, total)

        unusable = Unusable(heard, partial(agreeing, s.consistency) if s.consistency else ctc)

        def batch(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            unusable.check()
            rng = np.random.default_rng([s.random_seed, step])
            numbers = batches.numbers(step)
            x, y, weights = batch_of(heard, numbers, heard.longest, rng, changes, step / total)
            # each clip counts alike, in a large batch or a small one (in the loss that Keras shows, those of large batches count more)
            return x, y, weights * np.float32(len(numbers) / batches.mean_size)

        adam: dict[str, Any] = {"beta_1": s.beta1, "beta_2": s.beta2, "epsilon": s.epsilon}
        optimizer = (averaged_muon(rate, total, s.weight_decay, "layer_6", **adam) if s.optimizer == "muon"
                     else averaged_adamw(rate, total, s.weight_decay, **adam))
        loop = Loop(model, batch, total, batches.per_epoch * epochs_a_round, out, learning, optimizer, unusable.loss, jit_compile=False)
        try:
            loop.run()
        except tf.errors.ResourceExhaustedError as error:  # mostly in the first step: the largest batch is the first
            first = batches.numbers(0)
            longest = s.features.seconds(int(heard.frames.index["length"][first].max()))
            half = f"BATCH_SECONDS={s.batch_seconds / 2:g}" if s.batch_seconds else f"TRAIN_BATCH_SIZE={len(first) // 2}"
            raise TrainingError(
                f"not enough memory for {len(first)} clips of up to {longest:.0f} s at n_hidden {s.n_hidden}: "
                f"set {f'{half} or ' if len(first) > 1 else ''}a smaller MAX_SECONDS or N_HIDDEN, and run the same command again"
            ) from error
        for weight, value in zip(model.weights, learning.result(), strict=True):
            weight.assign(value)
    unfinished = out / "weights.tmp"
    with unfinished.open("wb") as file:
        np.savez(file, **deepspeech.weights_of(model))
    unfinished.replace(out / "weights.npz")
    (out / "checkpoint.npz").unlink(missing_ok=True)  # last: until then a killed run goes on from it


def evaluate(model: keras.Model, clips: Clips, alphabet: Alphabet, size: int) -> dict[str, float]:
    """Mean CTC loss, and greedy word and character error rates."""
    losses: list[np.ndarray] = []
    said: list[str] = []
    heard: list[str] = []
    order = np.argsort(clips.frames.index["length"], kind="stable")
    for at in range(0, len(order), size):
        numbers = order[at : at + size]
        x, y, _ = batch_of(clips, np.resize(numbers, size), clips.longest)
        logits = np.asarray(model.predict_on_batch(x))
        losses.append(np.asarray(ctc(y, logits))[: len(numbers)])
        for row, number in enumerate(numbers):
            best = logits[row, : y[row, 0]].argmax(-1)
            heard.append(alphabet.decode(collapse(best, alphabet.blank)))
            said.append(alphabet.decode(clips.labels[number]))
    words, characters = edit_counts(said, heard)
    return {"dev_loss": float(np.concatenate(losses).mean()), "wer": error_rate(words), "cer": error_rate(characters)}
