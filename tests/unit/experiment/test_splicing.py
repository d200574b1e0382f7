"""Sentences composed of words that the network aligns."""

import keras
import numpy as np
import pytest
import soundfile

from trainer import Experiment, Optimizer, Trainer, callbacks, data, metrics, models, serializable
from trainer.errors import UserError
from trainer.experiment.splicing import Splice, loudness
from trainer.models.speech.ctc import CtcModel
from trainer.training.callbacks import Round

WORD, GAP = 4800, 800  # samples
LEVELS = {"a": 0.1, "b": 0.2, "ab": 0.4}
TEXTS = {"x": ("a b", "b ab", "ab"), "y": ("b a b",), "": ("a ab",)}


@serializable
class Spikes(CtcModel):
    """Recognises the first letter of each word 50 ms after its start, and the rest at once."""

    labels: tuple[str, ...]
    bands: int = 20

    def network(self):
        features, frames = self.given()
        return keras.Model([features, frames], keras.layers.Dense(len(self.labels) + 1)(features))

    def log_probabilities(self, batch, outputs):
        found = []
        for frames, labels in zip(batch.frames, batch.labels, strict=True):
            logits = np.zeros((frames, len(self.labels) + 1), np.float32)
            logits[:, -1] = 5
            at, space = 5, self.labels.index(" ")
            for label in labels:
                at += 30 if label == space else 2
                logits[at, label] = 20
            found.append(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
        return found


@pytest.fixture
def train(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    rows = ["wav_filename,transcript,speaker"]
    for speaker, texts in TEXTS.items():
        for text in texts:
            words = [np.full(WORD, LEVELS[word]) for word in text.split()]
            name = f"{len(rows)}.wav"
            samples = np.concatenate([np.append(word, np.zeros(GAP)) for word in words])
            soundfile.write(name, samples, 16_000, "FLOAT")
            rows.append(f"{name},{text},{speaker}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    return data.AudioDataset("clips.csv", data.AudioProcessor("log_mel_20"))


class Context:
    def __init__(self, train):
        self.model, self.loader = Spikes(train.labels), train.loader(8.0)
        self.network = self.model.network()
        self.loader.begin(3)


def test_sentences_hold_the_words_that_they_tell_of_one_speaker(train, rng):
    splice = Splice(1.0)
    context = Context(train)
    splice.begin(context)
    assert splice.sentence(0, rng) is None  # not aligned yet
    splice.on_round_end(Round(None, 1, 10, {}))
    assert splice.sentence(0, rng) is None
    splice.on_round_end(Round(None, 2, 10, {}))
    seen = set()
    for _ in range(200):
        number = int(rng.integers(len(train)))
        samples, labels = splice.sentence(number, rng)
        text = train.alphabet.decode(labels)
        seen.add(text)
        loud = np.abs(samples)
        starts = np.flatnonzero(np.diff(np.append(0, loud > 0.05), prepend=0) == 1)
        heard = [min(LEVELS, key=lambda word: abs(LEVELS[word] - loud[at + 100])) for at in starts]
        assert heard == text.split() or len(samples) == len(train.store[number])
        assert heard == text.split()[: len(heard)]
        assert len(samples) <= len(train.store[number])
        own = TEXTS[train.rows[number].speaker]
        assert set(text.split()) <= set(" ".join(own).split())
    assert "ab b" in seen  # no clip holds it


def test_a_batch_holds_each_sentence_in_all_views(train):
    splice = Splice(1.0)
    context = Context(train)
    splice.begin(context)
    splice.on_round_end(Round(None, 2, 10, {}))
    batch = context.loader.batch(0, context.model.fewest_frames, 2)
    half = len(batch) // 2
    first, second = batch.labels[:half], batch.labels[half:]
    assert [*map(list, first)] == [*map(list, second)]
    assert np.array_equal(batch.features[:half], batch.features[half:])
    again = context.loader.batch(0, context.model.fewest_frames, 2)
    assert np.array_equal(batch.features, again.features)


@serializable
class FailsOnce(callbacks.Callback):
    """In the fourth round, the first time; saved is the state before it."""

    times = 1

    def on_round_end(self, current):
        if current.number == 4 and FailsOnce.times:
            FailsOnce.times = 0
            raise ZeroDivisionError


def test_a_stopped_run_goes_on_with_the_same_sentences(train):
    def trainer():
        return Trainer(
            Spikes(train.labels), train.loader(4.0), metrics=[metrics.WordErrorRate()],
            callbacks=[Splice(0.8), FailsOnce()], epochs=10,
            optimizer=Optimizer(schedule="constant", average=False),
        )  # fmt: skip

    with pytest.raises(UserError, match="FailsOnce failed"):
        Experiment("stops").run(trainer())
    stopped = Experiment("stops").run(trainer())
    assert "splice: 10 words of 3 speakers" in (stopped / "training.log").read_text()
    whole = Experiment("whole").run(trainer())
    assert (stopped / "weights.npz").read_bytes() == (whole / "weights.npz").read_bytes()


def test_what_no_words_can_be_found_by(train):
    splice, context = Splice(), Context(train)
    context.model = models.las(train.labels, 20, ctc_weight=0.0)
    with pytest.raises(UserError, match="Splice: Las has no outputs of CTC to align words"):
        splice.begin(context)


def test_loudness():
    assert loudness(np.append(np.ones(160, np.float32), np.zeros(80, np.float32))) == pytest.approx(
        [0, np.log(1e-9)], abs=1e-6
    )
