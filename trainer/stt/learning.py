"""What training by CTC adds to the loop: batches of like lengths, the loss, and the choice of weights on dev clips."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer.metrics import edit_counts, error_rate
from trainer.mfcc import FILTERS, MFCCS, cepstra
from trainer.models import deepspeech
from trainer.readers import Utterance
from trainer.settings_stt import SpeechSettings
from trainer.stt.augmentation import Augmentation, parse
from trainer.stt.checkpoints import Start, transfer
from trainer.stt.preparation import Joined, Mels, frames_needed
from trainer.text import Alphabet, collapse
from trainer.training import Loop, MetricsLog, TrainingError, averaged_adamw, cosine

log = logging.getLogger("trainer")
FRAMES_MULTIPLE = 32  # batches are padded to it: each new length is compiled once
MIXED_FRAMES = 48  # clips of a batch may differ so much in length: with 32 they are too much alike, and it learns slower
HEAD = 3  # numbers before the labels of a target: frames, labels, the clip's number
ROUND_SECONDS_OF_AUDIO = 3600  # the dev set is heard after about so much audio, at least once an epoch


@dataclass(frozen=True)
class Clips:
    """A set: log mels, labels and names, in the order of the store."""

    frames: Mels | Joined
    labels: Sequence[np.ndarray]
    names: Sequence[Utterance]

    @property
    def longest(self) -> int:
        """Labels of the longest transcript."""
        return max((len(text) for text in self.labels), default=1)


def mfcc_batch(mels: Sequence[np.ndarray]) -> np.ndarray:
    """Log mels of clips -> MFCCs (b, t, 26), padded with zeros."""
    time = -(-max(map(len, mels)) // FRAMES_MULTIPLE) * FRAMES_MULTIPLE
    x = np.zeros((len(mels), time, MFCCS), np.float32)
    for row, frames in enumerate(mels):
        x[row, : len(frames)] = cepstra(frames)
    return x


def batch_of(
    clips: Clips, numbers: np.ndarray, longest: int, rng: np.random.Generator | None = None, voices: float = 0.0,
    augmentation: Augmentation | None = None, clock: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(MFCCs (b, t, 26) padded with zeros, targets (b, 3 + longest): frames, labels, number of the clip, the labels; weights of one).

    With `rng` each clip is changed first: by `augmentation`, whose ranges run with `clock` from 0 to 1, and by `other_voice`.
    """
    labels = [clips.labels[number] for number in numbers]
    if augmentation is not None and rng is not None:
        mels = augmentation.log_mels([clips.names[n] for n in numbers], [frames_needed(text) for text in labels], clock, rng)
    else:
        mels = [clips.frames.raw(int(number)) for number in numbers]
    if rng is not None and voices > 0:
        mels = [other_voice(m, frames_needed(text), rng, voices) for m, text in zip(mels, labels, strict=True)]
    x = mfcc_batch(mels)
    if augmentation is not None and rng is not None:
        augmentation.features(x, [len(m) for m in mels], clock, rng)
    y = np.zeros((len(numbers), HEAD + longest), np.int32)
    for row, (number, frames, text) in enumerate(zip(numbers, mels, labels, strict=True)):
        y[row, :HEAD] = len(frames), len(text), number
        y[row, HEAD : HEAD + len(text)] = text
    return x, y, np.ones(len(numbers), np.float32)


def other_voice(mels: np.ndarray, needed: int, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Another tempo, size of head (mel axis scaled), microphone (level and tilt), noise, and SpecAugment's masks.

    `needed`: frames that must be left. Park et al. 2019; Jaitly & Hinton 2013 for the axis.
    """
    fast = float(np.exp(rng.uniform(-0.18, 0.18) * amount))
    count = max(needed, 1, round(len(mels) / fast))
    mels = _at(mels, np.linspace(0, len(mels) - 1, count))
    head = float(np.exp(rng.uniform(-0.12, 0.12) * amount))
    mels = _at(mels.T, np.clip(np.arange(FILTERS) * head, 0, FILTERS - 1)).T
    slope = np.linspace(-1, 1, FILTERS, dtype=np.float32)
    mels = mels + np.float32(rng.uniform(-1.5, 1.5) * amount) + slope * np.float32(rng.uniform(-1, 1) * amount)
    if rng.random() < 0.5:  # noise under the voice
        floor = np.percentile(mels, 95) - rng.uniform(2.5, 7) + slope * rng.uniform(-1, 1)
        mels = np.logaddexp(mels, floor + rng.normal(0, 0.4, mels.shape))
    mean = mels.mean(0)
    for _ in range(2):
        size = int(rng.integers(0, min(10, max(1, count // 6)) + 1) * min(amount, 1.0))
        at = int(rng.integers(0, max(1, count - size)))
        mels[at : at + size] = mean
        band = int(rng.integers(0, 6))
        low = int(rng.integers(0, FILTERS - band))
        mels[:, low : low + band] = mean[low : low + band]
    return np.asarray(mels, np.float32)


def _at(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows between rows, linearly."""
    low = np.minimum(places.astype(int), max(len(rows) - 2, 0))
    share = (places - low).astype(np.float32)[:, None]
    return rows[low] * (1 - share) + rows[np.minimum(low + 1, len(rows) - 1)] * share


class Batches:
    """Batch i of training: clips of like length together, another order every epoch, the longest first of all."""

    def __init__(self, clips: Clips, size: int, seed: int) -> None:
        self.clips, self.size, self.seed = clips, size, seed
        self.per_epoch = max(1, len(clips.frames) // size)
        self._epoch = -1
        self._batches: np.ndarray = np.zeros((0, size), int)

    def numbers(self, step: int) -> np.ndarray:
        """Which clips."""
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, epoch])
            lengths = self.clips.frames.index["length"]
            whole = self.per_epoch * self.size
            if epoch == 0:
                order = np.argsort(-lengths, kind="stable")[:whole]
            else:  # what does not fill a batch is left out by chance, another time others
                some = rng.permutation(len(lengths))[:whole]
                order = some[np.argsort(lengths[some] + rng.uniform(0, MIXED_FRAMES, len(some)), kind="stable")]
            batches = np.resize(order, whole).reshape(self.per_epoch, self.size)
            turn = np.arange(self.per_epoch)
            rng.shuffle(turn[int(epoch == 0) :])  # the longest stays first of all
            self._batches = batches[turn]
            self._epoch = epoch
        return np.asarray(self._batches[at])


def ctc(targets: Any, logits: Any) -> Any:
    """CTC loss of each clip. `targets` as of `batch_of`; the blank is the last class."""
    import tensorflow as tf

    targets = tf.cast(targets, tf.int32)
    frames, count, labels = targets[:, 0], targets[:, 1], targets[:, HEAD:]
    used = tf.sequence_mask(count, tf.shape(labels)[1])
    sparse = tf.SparseTensor(tf.where(used), tf.boolean_mask(labels, used), tf.cast(tf.shape(labels), tf.int64))
    return tf.compat.v1.nn.ctc_loss(sparse, logits, frames, time_major=False)


class Unusable:
    """Clips whose loss was not finite in training: named once, and left out of the step."""

    def __init__(self, clips: Clips) -> None:
        self.clips, self.numbers = clips, set[int]()

    def loss(self, targets: Any, logits: Any) -> Any:
        """CTC loss, zero for such clips and without a gradient from them."""
        import tensorflow as tf

        @tf.custom_gradient
        def guarded(x: Any) -> tuple[Any, Any]:
            return tf.identity(x), lambda given: tf.where(tf.math.is_finite(given), given, 0.0)

        each = ctc(targets, guarded(logits))
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
    """The product part of the loop: dev set, choice of weights, early stop, plateau."""

    def __init__(
        self, s: SpeechSettings, dev: Clips, metrics: Clips | None, alphabet: Alphabet, rate: Rate, rounds_per_epoch: float, folder: Path
    ) -> None:
        self.s, self.dev, self.metrics, self.alphabet, self.rate = s, dev, metrics, alphabet, rate
        self.rounds_per_epoch, self.log = rounds_per_epoch, MetricsLog(folder)
        self.best: list[Best] = []  # the best first, by character error rate: the loss rises long before
        self.lowest_loss, self.waited = np.inf, 0

    def state(self) -> dict[str, np.ndarray]:
        """Best weights, and how long the loss has not fallen, for the checkpoint."""
        told = {"lines": np.array(self.log.lines), "scores": np.array([b.score for b in self.best]), "lowest": np.array(self.lowest_loss),
                "waited": np.array(self.waited), "factor": np.asarray(self.rate.factor)}
        return told | {f"best{i}_{j}": w for i, b in enumerate(self.best) for j, w in enumerate(b.weights)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """From a checkpoint."""
        count = sum(k.startswith("best0_") for k in state)
        self.best = [Best(float(score), [state[f"best{i}_{j}"] for j in range(count)]) for i, score in enumerate(state["scores"])]
        self.lowest_loss, self.waited = float(state["lowest"]), int(state["waited"])
        self.rate.factor.assign(state["factor"])
        self.log.cut(int(state["lines"]))

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
        batches = Batches(heard, s.train_batch_size, s.random_seed)
        total = s.epochs * batches.per_epoch
        seconds = float(heard.frames.index["length"].sum()) / 50
        epochs_a_round = max(1, round(ROUND_SECONDS_OF_AUDIO / seconds))
        if s.early_stop or s.reduce_lr_on_plateau:
            epochs_a_round = 1
        augmentation = parse(s.augmentations()) if s.augmentations() else None
        rate = Rate(cosine(total, s.learning_rate) if s.learning_rate_schedule == "cosine" else s.learning_rate)
        learning = Learning(s, dev, sets.get("metrics"), alphabet, rate, 1 / epochs_a_round, out)

        unusable = Unusable(heard)

        def batch(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            unusable.check()
            rng = np.random.default_rng([s.random_seed, step])
            return batch_of(heard, batches.numbers(step), heard.longest, rng, s.voices, augmentation, step / total)

        optimizer = averaged_adamw(rate, total, s.weight_decay, beta_1=s.beta1, beta_2=s.beta2, epsilon=s.epsilon)
        loop = Loop(model, batch, total, batches.per_epoch * epochs_a_round, out, learning, optimizer, unusable.loss, jit_compile=False)
        try:
            loop.run()
        except tf.errors.ResourceExhaustedError as error:  # in the first step, if ever: the longest batch is the first
            longest = int(heard.frames.index["length"].max()) / 50
            raise TrainingError(
                f"not enough memory for {s.train_batch_size} clips of up to {longest:.0f} s at n_hidden {s.n_hidden}: "
                f"set TRAIN_BATCH_SIZE={max(1, s.train_batch_size // 2)} or a smaller MAX_SECONDS, and run the same command again"
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
