"""Each network of the zoo learns, ignores padding, and is alike on both libraries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from trainer import models
from trainer.data.batch import Batch
from trainer.models.speech.base import Decoding, network_of
from trainer.serialization import Deserializer, write
from trainer.training.loop import Loop

LABELS = tuple(" abc")
SMALL = {
    "deepspeech": {"units": 32, "dropout": 0.0},
    "deepspeech2": {"units": 24, "channels": 4, "layers": 1, "dropout": 0.0},
    "las": {"listener": 16, "speller": 24, "dropout": 0.0},
    "tds": {"channels": (2, 3), "blocks": (1, 1), "units": 16, "dropout": 0.0},
    "conformer": {"width": 16, "layers": 1, "heads": 2, "channels": 4, "dropout": 0.0},
}
STEPS = 50


def batch_of(rng, clips=4):
    """Noise with a mean for each letter, ten frames each."""
    labels = [rng.integers(0, 4, n).astype(np.int32) for n in (5, 4, 3, 6)][:clips]
    frames = np.array([10 * len(text) + 4 for text in labels], np.int32)
    x = np.zeros((clips, 96, 12), np.float32)
    means = rng.normal(size=(4, 12))
    for row, text in enumerate(labels):
        for i, label in enumerate(text):
            x[row, 10 * i : 10 * i + 8] = means[label]
    return Batch(x, frames, labels, list(range(clips)), 6)


def model_of(name, **more):
    return getattr(models, name)(labels=LABELS, bands=12, **(SMALL[name] | more))


def losses_of(name, weights=None, steps=STEPS):
    """Losses of the first steps, beginning with `weights`."""
    keras.utils.set_random_seed(3)
    model = model_of(name, **({"consistency": 0.0} if name == "conformer" else {}))
    network = network_of(model)
    if weights is not None:
        for weight, value in zip(network.weights, weights, strict=True):
            weight.assign(value)
    batch = batch_of(np.random.default_rng(0))
    given = model.inputs(batch), model.targets(batch)
    loop = Loop(network, lambda step: given, 1, 1, Path(), [], keras.optimizers.Adam(3e-3), None,
                jit_compile=keras.backend.backend() == "jax", any_size=True)  # fmt: skip
    return network, [float(np.asarray(loop._train_step(given))) for _ in range(steps)]


@pytest.fixture(scope="module")
def learned():
    """name -> (first weights, network after training, losses)."""
    found = {}

    def of(name):
        if name not in found:
            weights = [np.asarray(w) for w in losses_of(name, steps=0)[0].weights]
            found[name] = weights, *losses_of(name, weights)
        return found[name]

    return of


@pytest.mark.parametrize("name", models.SPEECH)
def test_it_learns_and_padding_changes_nothing(name, learned):
    _, network, losses = learned(name)
    assert losses[-1] < 0.6 * losses[0]
    model, batch = network.model, batch_of(np.random.default_rng(0))
    longer = Batch(
        np.pad(batch.features, ((0, 0), (0, 32), (0, 0))), batch.frames, batch.labels,
        batch.numbers, batch.longest,
    )  # fmt: skip
    short, padded = (network.predict_on_batch(model.inputs(one)) for one in (batch, longer))
    assert model.aligns
    for one, again in zip(*map(model.log_probabilities, (batch, longer), (short, padded)),
                          strict=True):  # fmt: skip
        assert np.allclose(np.exp(one).sum(-1), 1, atol=1e-4)
        assert np.allclose(one, again, atol=1e-3)
    for decoding in (Decoding(), Decoding(beam=3)):
        texts = model.transcripts(network, batch, short, decoding)
        assert len(texts) == 4
        assert set("".join(texts)) <= set(LABELS)
    short, padded = (one[0] if isinstance(one, list) else one for one in (short, padded))
    frames = model.output_frames(batch.frames) if hasattr(model, "output_frames") else None
    for row in range(len(batch)):
        end = frames[row] if frames is not None else len(batch.labels[row])
        assert np.allclose(short[row, :end], padded[row, :end], atol=1e-4)
    assert write(Deserializer().read(write(model))) == write(model)


def test_losses_are_equal_on_jax(tmp_path, learned):
    """Within 1e-4 of each other, relatively, over 50 steps from the same weights."""
    for name in models.SPEECH:
        np.savez(tmp_path / f"{name}.npz", *learned(name)[0])
    code = f"""
import importlib.util, json, numpy as np
spec = importlib.util.spec_from_file_location("zoo", {str(Path(__file__))!r})
zoo = importlib.util.module_from_spec(spec); spec.loader.exec_module(zoo)
out = {{}}
for name in {list(models.SPEECH)!r}:
    with np.load(f"{tmp_path}/{{name}}.npz") as saved:
        out[name] = zoo.losses_of(name, [saved[k] for k in saved.files])[1]
print(json.dumps(out))
"""
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, cwd=root,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name, others in json.loads(done.stdout.splitlines()[-1]).items():
        assert np.allclose(learned(name)[2], others, rtol=1e-4, atol=1e-4), name


def test_beam_search_finds_what_is_more_likely_than_greedy(rng):
    """A decoder whose first label looks best and leads to a worse text."""
    from trainer.models.speech.attention import AttentionModel, Search
    from trainer.serialization import serializable

    @serializable
    class Table(AttentionModel):
        labels: tuple[str, ...]
        bands: int = 1

    model = Table(("a", "b"))
    first, after = (
        np.log([0.6, 0.4, 1e-9]),
        {0: np.log([0.4, 0.3, 0.3]), 1: np.log([1e-9, 1e-9, 1])},
    )

    class Decoder:
        def predict_on_batch(self, given):
            before = given[2]
            rows = np.zeros((*before.shape, 3))
            for row, labels in enumerate(before):
                for step, label in enumerate(labels):
                    rows[row, step] = first if label == model.start else after[int(label)]
            return rows

    def search(rows):
        return Search(model, Decoder(), np.zeros((rows, 2, 2)), np.ones((rows, 2, 1)), 0.0)

    assert search(1).greedy(np.array([3]))[0][0] == 0
    assert search(3).beam(3, Decoding(3, length_bonus=0.0)) == [1]
