"""Training by CTC: batches, dev figures, and the callbacks of the loop."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np

from trainer.errors import UserError
from trainer.metrics.error_rate import edit_counts, error_rate
from trainer.models.speech import deepspeech
from trainer.stt.augmentation import parse
from trainer.stt.batches import Changes, batch_of
from trainer.stt.checkpoints import Start, transfer
from trainer.stt.losses import Unusable
from trainer.stt.preparation import Clips, load
from trainer.stt.settings import SpeechSettings
from trainer.stt.splicing import AlignedWords, Words
from trainer.text.alphabet import Alphabet, collapse
from trainer.training import checkpoint, devices
from trainer.training.buckets import MIXED_SECONDS, Batches
from trainer.training.callbacks import (
    BestWeights,
    Callback,
    EarlyStopping,
    MetricsLog,
    ReduceOnPlateau,
    Round,
)
from trainer.training.ctc import agreeing, ctc
from trainer.training.loop import Batch, Loop
from trainer.training.optimizers import ScaledRate, averaged_adamw, averaged_muon, cosine

ROUND_SECONDS_OF_AUDIO = 3600  # dev sets are evaluated about so often, at least once an epoch


class DevFigures(Callback):
    """Dev loss and error rates; those of the extra evaluation sets with the prefix metrics_."""

    def __init__(self, sets: Mapping[str, Clips], alphabet: Alphabet, batch_size: int) -> None:
        self.sets, self.alphabet, self.batch_size = sets, alphabet, batch_size

    def on_round_end(self, current: Round) -> None:
        model = current.model
        current.figures |= evaluate(model, self.sets["dev"], self.alphabet, self.batch_size)
        if "metrics" in self.sets:
            found = evaluate(model, self.sets["metrics"], self.alphabet, self.batch_size)
            current.figures |= {f"metrics_{name}": value for name, value in found.items()}


def train(
    s: SpeechSettings,
    alphabet: Alphabet,
    folders: Mapping[str, Sequence[Path]],
    spec: deepspeech.Spec,
    start: Start | None,
    out: Path,
) -> None:
    """weights.npz in `out`, from the checkpoint there, if any. `folders`: stores of clips by use.

    Raises Stopped, UserError.
    """
    sets = {use: load(places, alphabet, s.features) for use, places in folders.items()}
    sets = {use: clips for use, clips in sets.items() if len(clips.labels)}
    _set_threads(s)
    keras.utils.set_random_seed(s.random_seed)
    # bfloat16: the range of 32 bits, so that no loss need be scaled
    keras.config.set_dtype_policy("mixed_bfloat16" if s.automatic_mixed_precision else "float32")
    model = deepspeech.build(spec)
    keras.config.set_dtype_policy("float32")
    if start:
        own = deepspeech.weights_of(model)
        deepspeech.load_weights(model, transfer(own, start, alphabet, s.drop_source_layers)[0])
    if s.epochs:
        best = _fit(s, alphabet, sets, model, out)
        for weight, value in zip(model.weights, best, strict=True):
            weight.assign(value)
    unfinished = out / "weights.tmp"
    with unfinished.open("wb") as file:
        np.savez(file, **deepspeech.weights_of(model))
    unfinished.replace(out / "weights.npz")
    checkpoint.remove(out)  # last: until then a killed run resumes from it


def _set_threads(s: SpeechSettings) -> None:
    """DeepSpeech's flags, for TensorFlow."""
    if not (s.inter_op_parallelism_threads or s.intra_op_parallelism_threads):
        return
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "INTER_OP_PARALLELISM_THREADS and INTRA_OP_PARALLELISM_THREADS are TensorFlow's: they "
            f"have no effect with KERAS_BACKEND={keras.backend.backend()}"
        )
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(s.inter_op_parallelism_threads)
    tf.config.threading.set_intra_op_parallelism_threads(s.intra_op_parallelism_threads)


def _fit(
    s: SpeechSettings, alphabet: Alphabet, sets: Mapping[str, Clips], model: keras.Model, out: Path
) -> list[np.ndarray]:
    """The weights that are best on the dev set."""
    clips, features = sets["train"], s.features
    frames = math.ceil(s.batch_seconds * (1000 / s.feature_win_step))
    lengths, mixed = clips.frames.index["length"], features.frames(MIXED_SECONDS)
    batches = Batches(lengths, mixed, s.train_batch_size, s.random_seed, frames)
    total = s.epochs * batches.per_epoch
    seconds = features.seconds(int(clips.frames.index["length"].sum()))
    epochs_a_round = max(1, round(ROUND_SECONDS_OF_AUDIO / seconds))
    if s.early_stop or s.reduce_lr_on_plateau:
        epochs_a_round = 1
    words = Words(clips, alphabet, s.splice, s.dev_batch_size) if s.splice else None
    augment = s.augmentations(s.feature_win_step)
    augmentation = parse(augment, features) if augment else None
    changes = Changes(s.voices, augmentation, words, 2 if s.consistency else 1)
    loss = Unusable(clips, partial(agreeing, s.consistency) if s.consistency else ctc)

    def batch(step: int) -> Batch:
        loss.check()
        rng = np.random.default_rng([s.random_seed, step])
        numbers = batches.numbers(step)
        x, y, weights = batch_of(clips, numbers, clips.longest, rng, changes, step / total)
        # each clip counts alike, in a large batch or a small one (in the loss that Keras shows,
        # those of large batches count more)
        return x, y, weights * np.float32(len(numbers) / batches.mean_size)

    constant = s.learning_rate_schedule == "constant"
    rate = ScaledRate(s.learning_rate if constant else cosine(total, s.learning_rate))
    best = BestWeights("cer", higher_is_better=False, count=s.average_best)
    callbacks = _callbacks(s, alphabet, sets, rate, 1 / epochs_a_round, best, words, out)
    adam = {"beta_1": s.beta1, "beta_2": s.beta2, "epsilon": s.epsilon}
    if s.optimizer == "muon":
        optimizer = averaged_muon(rate, total, s.weight_decay, "layer_6", **adam)
    else:
        optimizer = averaged_adamw(rate, total, s.weight_decay, **adam)
    steps = batches.per_epoch * epochs_a_round
    loop = Loop(model, batch, total, steps, out, callbacks, optimizer, loss.loss, jit_compile=False)
    try:
        loop.run()
    except Exception as error:
        if not devices.out_of_memory(error):
            raise
        # mostly in the first step: the largest batch is the first
        raise UserError(_memory_advice(s, clips, batches.numbers(0))) from error
    return best.mean()


def _callbacks(
    s: SpeechSettings,
    alphabet: Alphabet,
    sets: Mapping[str, Clips],
    rate: ScaledRate,
    rounds_per_epoch: float,
    best: BestWeights,
    words: Words | None,
    out: Path,
) -> list[Callback]:
    """In the order in which they run."""
    found: list[Callback] = [DevFigures(sets, alphabet, s.dev_batch_size), best, MetricsLog(out)]
    if s.early_stop:
        rounds = s.es_epochs * rounds_per_epoch
        found.append(EarlyStopping("dev_loss", rounds, s.es_min_delta))
    if s.reduce_lr_on_plateau:
        rounds, delta = s.plateau_epochs * rounds_per_epoch, s.es_min_delta
        reduction = s.plateau_reduction
        found.append(ReduceOnPlateau("dev_loss", rounds, delta, rate, reduction, best))
    if words:
        found.append(AlignedWords(words))
    return found


def _memory_advice(s: SpeechSettings, clips: Clips, first: np.ndarray) -> str:
    longest = s.features.seconds(int(clips.frames.index["length"][first].max()))
    half = f"TRAIN_BATCH_SIZE={len(first) // 2}"
    if s.batch_seconds:
        half = f"BATCH_SECONDS={s.batch_seconds / 2:g}"
    return (
        f"not enough memory for {len(first)} clips of up to {longest:.0f} s at n_hidden "
        f"{s.n_hidden}: set {f'{half} or ' if len(first) > 1 else ''}a smaller MAX_SECONDS or "
        "N_HIDDEN, and run the same command again"
    )


def evaluate(
    model: keras.Model, clips: Clips, alphabet: Alphabet, batch_size: int
) -> dict[str, float]:
    """Mean CTC loss (dev_loss), word and character error rates (wer, cer) of greedy decoding."""
    losses: list[np.ndarray] = []
    references: list[str] = []
    hypotheses: list[str] = []
    order = np.argsort(clips.frames.index["length"], kind="stable")
    for at in range(0, len(order), batch_size):
        numbers = order[at : at + batch_size]
        x, y, _ = batch_of(clips, np.resize(numbers, batch_size), clips.longest)
        logits = np.asarray(model.predict_on_batch(x))
        losses.append(np.asarray(ctc(y, logits))[: len(numbers)])
        for row, number in enumerate(numbers):
            labels = logits[row, : y[row, 0]].argmax(-1)
            hypotheses.append(alphabet.decode(collapse(labels, alphabet.blank)))
            references.append(alphabet.decode(clips.labels[number]))
    words, characters = edit_counts(references, hypotheses)
    return {
        "dev_loss": float(np.concatenate(losses).mean()),
        "wer": error_rate(words),
        "cer": error_rate(characters),
    }
