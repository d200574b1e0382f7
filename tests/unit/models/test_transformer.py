"""Marian's transformer: its form, on both backends."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainer.models import transformer
from trainer.models.transformer import Spec

SMALL = Spec(40, 2, 2, 16, 32, 4, 0.1)


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(1)
    return transformer.build(SMALL)


def some(rng, rows=3, width=7, height=5):
    x, y = (rng.integers(2, 40, (rows, n)).astype(np.int32) for n in (width, height))
    x[:, -1] = y[:, -1] = 0
    return x, y


def test_names_and_shapes_are_those_of_marian(model):
    weights = transformer.weights_of(model)
    assert weights["Wemb"].shape == (40, 16)
    assert weights["encoder_l1_self_bq"].shape == (1, 16)
    assert weights["decoder_l2_context_Wo_ln_scale"].shape == (1, 16)
    assert weights["decoder_l2_ffn_W1"].shape == (16, 32)
    assert {"encoder_l2_ffn_ffn_ln_bias", "decoder_ff_logit_out_b"} <= set(weights)
    assert len(weights) == 2 + 2 * 16 + 2 * 26


def reference(weights, source, target):
    """The forward pass in NumPy, after Marian: log-probabilities of the tokens of a target."""
    w, d, heads = weights, 16, 4

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
        return scaled * w[f"{name}_ln_scale"] + w[f"{name}_ln_bias"]

    def attend(x, memory, name, mask=0.0):
        def split(part):
            return part.reshape(len(part), heads, d // heads).transpose(1, 0, 2)

        q, k, v = (
            split(of @ w[f"{name}_W{c}"] + w[f"{name}_b{c}"])
            for of, c in ((x, "q"), (memory, "k"), (memory, "v"))
        )
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(d // heads) + mask
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(x), d)
        return norm(x + mixed @ w[f"{name}_Wo"] + w[f"{name}_bo"], f"{name}_Wo")

    def inner(x, name):
        hidden = np.maximum(x @ w[f"{name}_W1"] + w[f"{name}_b1"], 0)
        return norm(x + hidden @ w[f"{name}_W2"] + w[f"{name}_b2"], f"{name}_ffn")

    places = transformer.positions(d)
    x = w["Wemb"][source] * np.sqrt(d) + places[: len(source)]
    for i in (1, 2):
        x = inner(attend(x, x, f"encoder_l{i}_self"), f"encoder_l{i}_ffn")
    y = np.concatenate([np.zeros((1, d)), w["Wemb"][target[:-1]] * np.sqrt(d)])
    y = y + places[: len(target)]
    causal = np.triu(np.full((len(target),) * 2, -1e9), 1)
    for i in (1, 2):
        y = attend(y, y, f"decoder_l{i}_self", causal)
        y = inner(attend(y, x, f"decoder_l{i}_context"), f"decoder_l{i}_ffn")
    logits = y @ w["Wemb"].T + w["decoder_ff_logit_out_b"]
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_it_computes_what_marian_does_whatever_the_padding(model):
    rng = np.random.default_rng(1)
    x, y = some(rng)
    expected = [reference(transformer.weights_of(model), a, b) for a, b in zip(x, y, strict=True)]
    padded = np.pad(x, ((0, 0), (0, 4))), np.pad(y, ((0, 0), (0, 2)))
    logits = np.asarray(model(padded))[:, :5]
    found = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert np.abs(found - np.stack(expected)).max() < 2e-5


def test_a_text_ends_with_its_first_zero():
    found = np.asarray(transformer.text_of(np.array([[5, 3, 0, 0], [0, 0, 0, 0], [1, 2, 3, 4]])))
    assert found.tolist() == [[True, True, True, False], [True, False, False, False], [True] * 4]


def test_weights_are_loaded_by_name(model):
    other = transformer.build(SMALL)
    transformer.load_weights(other, transformer.weights_of(model))
    batch = some(np.random.default_rng(2))
    assert np.allclose(np.asarray(other(batch)), np.asarray(model(batch)))


SCRIPT = """
import numpy as np, keras
from trainer.code_engine.learning import cross_entropy
from trainer.models import transformer
with np.load({weights!r}) as found:
    model = transformer.build(transformer.Spec(40, 2, 2, 16, 32, 4, 0.0))
    transformer.load_weights(model, dict(found))
rng = np.random.default_rng(3)
model.compile(keras.optimizers.Adam(1e-3), cross_entropy(0.1), jit_compile=False)
losses = []
for _ in range(20):
    x, y = (rng.integers(2, 40, (4, n)).astype(np.int32) for n in (7, 5))
    x[:, -1] = y[:, -1] = 0
    model.reset_metrics()
    losses.append(float(np.ravel(model.train_on_batch((x, y), y))[0]))
print(*losses)
"""


def test_losses_are_equal_on_tensorflow_and_jax(model, tmp_path):
    weights = str(tmp_path / "weights.npz")
    np.savez(weights, **transformer.weights_of(model))
    found = []
    for backend in ("tensorflow", "jax"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(weights=weights)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(Path.cwd())},
        )
        found.append([float(one) for one in done.stdout.split()[-20:]])
    assert np.abs(np.subtract(*found)).max() < 1e-4
    assert found[0][-1] < found[0][0]
