"""Speech to text: import, training steps, decoding, next to the plain way in the same run."""

from __future__ import annotations

import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import soundfile

from trainer import store
from trainer.audio.io import SAMPLE_RATE_HZ
from trainer.audio.mfcc import AS_PUBLISHED, MFCCS
from trainer.corpora.utterance import Utterance
from trainer.models.speech import deepspeech
from trainer.stt import preparation
from trainer.stt.batches import Changes, batch_of
from trainer.stt.losses import Unusable
from trainer.stt.preparation import Clips, ImportPlan, Mels
from trainer.text.alphabet import Alphabet
from trainer.text.decoder import Search, decode
from trainer.training.buckets import Batches
from trainer.training.ctc import ctc
from trainer.training.optimizers import averaged_adamw
from trainer.wakeword.engines import Voice
from trainer.workers import Workers

ALPHABET = Alphabet(tuple(" abcdefghijklmnopqrstuvwxyz'"))
SENTENCE = "the quick brown fox jumps over the lazy dog and then it runs away"
CLIP_SECONDS = 4.7
FILES = 960
HIDDEN, BATCH = 512, 16


def make_files(home: Path) -> list[Utterance]:
    """Clips of 4.7 s as mp3 at 48 kHz, as Common Voice ships them."""
    spoken = Voice("espeak", "en-us+m3", 1.0, 0.5, 0.5, 1.0).speak(SENTENCE)
    spoken = np.resize(spoken, int(CLIP_SECONDS * SAMPLE_RATE_HZ))
    home.mkdir()
    found = []
    for i in range(FILES):
        wide = np.repeat(np.roll(spoken, 97 * i), 3)
        soundfile.write(home / f"{i}.mp3", wide, 3 * SAMPLE_RATE_HZ, format="MP3")
        found.append(Utterance(str(home / f"{i}.mp3"), SENTENCE, f"s{i % 20}"))
    return found


def imported(found: list[Utterance], home: Path, pool: Workers) -> float:
    """Clips per second of import: decoded, resampled, checked, log mels stored, on all cores."""
    home.mkdir()
    start = time.perf_counter()
    count = preparation.write_lists(home, found)
    plan = ImportPlan(str(home), ALPHABET, 15.0, AS_PUBLISHED)
    store.build(
        home, preparation.import_chunk, plan, -(-count // preparation.CHUNK), "importing", pool
    )
    preparation.finish_lists(home)
    assert len(Mels(home)) == len(found)
    return len(found) / (time.perf_counter() - start)


def sox_rate(found: list[Utterance], home: Path, cores: int) -> float:
    """Clips per second of one `sox` and one `soxi` process a file, as the original importers do."""
    home.mkdir()

    def convert(number: int) -> None:
        out = home / f"{number}.wav"
        subprocess.run(
            ["sox", found[number].path, "-r", "16000", "-c", "1", "-b", "16", str(out)],
            check=True,
            capture_output=True,
        )
        subprocess.run(["soxi", "-s", str(out)], check=True, capture_output=True)

    start = time.perf_counter()
    with ThreadPoolExecutor(cores) as threads:
        list(threads.map(convert, range(len(found))))
    return len(found) / (time.perf_counter() - start)


def training_rate(stored: Path, seconds: float) -> float:
    """Steps per second of the real step on stored clips, features and voices included."""
    clips = _set(stored)
    model = deepspeech.build(deepspeech.Spec(HIDDEN, len(ALPHABET.labels) + 1))
    batches = Batches(clips.frames.index["length"], clips.features.frames(0.96), BATCH, 1)

    def draw(i: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(i)
        return batch_of(clips, batches.numbers(i % 8), clips.longest, rng, Changes(voices=1.0))

    return _rate(model, Unusable(clips).loss, draw, seconds)


def plain_training_rate(stored: Path, seconds: float) -> float:
    """The same network with `keras.layers.LSTM` and `tf.nn.ctc_loss`, features computed for each
    step."""
    import tensorflow as tf

    clips = _set(stored)
    given = keras.Input((None, MFCCS))
    x = keras.layers.TimeDistributed(keras.layers.Dense(HIDDEN, "relu"))(
        deepspeech.InContext()(given)
    )
    for _ in range(2):
        x = keras.layers.TimeDistributed(keras.layers.Dense(HIDDEN, "relu"))(x)
    x = keras.layers.LSTM(HIDDEN, return_sequences=True)(x)
    x = keras.layers.Dense(len(ALPHABET.labels) + 1)(keras.layers.Dense(HIDDEN, "relu")(x))

    def loss(y: Any, logits: Any) -> Any:
        y = tf.cast(y, tf.int32)
        return tf.nn.ctc_loss(
            y[:, 3:], logits, y[:, 1], y[:, 0], logits_time_major=False, blank_index=-1
        )

    batches = Batches(clips.frames.index["length"], clips.features.frames(0.96), BATCH, 1)
    return _rate(
        keras.Model(given, x),
        loss,
        lambda i: batch_of(clips, batches.numbers(i % 8), clips.longest),
        seconds,
    )


def _set(stored: Path) -> Clips:
    mels = Mels(stored)
    return Clips(
        mels,
        [np.array(ALPHABET.encode(SENTENCE), np.int32)] * len(mels),
        [Utterance("", "")] * len(mels),
        AS_PUBLISHED,
    )


def _rate(model: keras.Model, loss: Any, batch: Any, seconds: float) -> float:
    import tensorflow as tf

    optimizer = averaged_adamw(1e-3, 1000, 0.05)
    model.compile(optimizer, loss, jit_compile=False)
    optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step)
    for i in range(8):
        step(tuple(tf.constant(part) for part in batch(i)))
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or count < 5:
        step(tuple(tf.constant(part) for part in batch(count)))
        count += 1
    return count / (time.perf_counter() - start)


def decoding_rate(pool: Workers, seconds: float) -> tuple[float, float]:
    """Clips of 4.7 s a second: (ours, all cores, beam 500; TensorFlow's, one core, beam 100)."""
    import tensorflow as tf

    scores = _spoken(0)
    frames = len(scores)
    many = max(8, int(seconds * 10)) * pool.count
    pool.run(_decode, range(2 * pool.count), "starting")
    start = time.perf_counter()
    pool.run(_decode, range(many), "decoding")
    ours = many / (time.perf_counter() - start)
    given = tf.constant(scores[:, None, :])
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds / 2:
        tf.nn.ctc_beam_search_decoder(given, [frames], beam_width=100)
        count += 1
    return ours, count / (time.perf_counter() - start)


def _decode(number: int) -> int:
    return len(decode(_spoken(number), Search(500))[0])


def _spoken(number: int) -> np.ndarray:
    """Log probabilities as of a trained network: mostly blank, a label every few frames, some
    doubt."""
    rng = np.random.default_rng(number)
    frames, classes = int(CLIP_SECONDS * 50), len(ALPHABET.labels) + 1
    logits = rng.normal(0, 1, (frames, classes))
    logits[:, -1] += 7
    for i, label in enumerate(ALPHABET.encode(SENTENCE)):
        logits[3 + 3 * i, label] += rng.uniform(6, 12)
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def agreement_of_forms() -> float:
    """Largest difference of loss between our CTC and `tf.nn.ctc_loss` on one batch."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (4, 80, len(ALPHABET.labels) + 1)).astype(np.float32)
    y = np.zeros((4, 23), np.int32)
    y[:, 0], y[:, 1], y[:, 3:] = 80, 20, rng.integers(0, 28, (4, 20))
    other = tf.nn.ctc_loss(
        y[:, 3:], logits, y[:, 1], y[:, 0], logits_time_major=False, blank_index=-1
    )
    return float(np.abs(np.asarray(ctc(y, logits)) - np.asarray(other)).max())


def rows(row: Any, home: Path, pool: Workers, seconds: float) -> None:
    """All rows. `row(what, ours, plain, recorded, unit)` prints one."""
    with tempfile.TemporaryDirectory(dir=home) as name:
        place = Path(name)
        found = make_files(place / "mp3")
        imported(found[: 64 * pool.count], place / "warm", pool)
        import_rate = imported(found, place / "stored", pool)
        row(
            "import of mp3 clips, all cores",
            import_rate,
            sox_rate(found, place / "wav", pool.count),
            None,
            "clips/s",
        )
        assert agreement_of_forms() < 1e-2
        ours, plain = (
            training_rate(place / "stored", seconds),
            plain_training_rate(place / "stored", seconds),
        )
        row(f"STT training steps, n_hidden {HIDDEN}, batch 16", ours, plain, 0.30, "/s")
        row("decoding, beam 500, clips of 4.7 s", *decoding_rate(pool, seconds), None, "clips/s")
