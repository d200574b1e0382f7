"""The exported conformer computes what Keras computes, for clips of all lengths in one batch."""

import keras
import numpy as np
import pytest

from trainer import models
from trainer.errors import UserError
from trainer.models.speech import conformer_onnx, conformer_streaming
from trainer.models.speech.base import network_of

MEAN, DEVIATION = -8.0, 4.0
SMALL = {"width": 16, "layers": 2, "heads": 2, "channels": 4, "kernel": 5}


@pytest.mark.parametrize("chunk", [0, 3])
def test_log_probabilities_are_those_of_keras(rng, tmp_path, chunk):
    import onnxruntime

    keras.utils.set_random_seed(2)
    model = models.conformer(labels=(" ", "a", "b"), chunk=chunk, left=1, **SMALL)
    network = network_of(model)
    for weight in network.weights:
        if not weight.name.startswith("seed"):
            weight.assign(np.asarray(weight) + rng.normal(0, 0.1, weight.shape))
    conformer_onnx.write(model, network, (MEAN, DEVIATION), tmp_path)
    tokens = (tmp_path / "tokens.txt").read_text().split("\n")
    assert tokens == ["<blk> 0", "\u2581 1", "a 2", "b 3", ""]
    frames = np.array([61, 64, 37], np.int64)
    raw = rng.normal(MEAN, DEVIATION, (3, 64, 80)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    found, lengths = session.run(None, {"x": raw, "x_lens": frames})
    given = (raw - MEAN) / DEVIATION
    logits = np.asarray(network.predict_on_batch([given, frames.astype(np.int32)]), np.float64)
    wanted = np.roll(logits - np.logaddexp.reduce(logits, -1)[..., None], 1, -1)
    assert list(lengths) == [16, 16, 10]
    for row, end in enumerate(lengths):
        assert np.allclose(found[row, :end], wanted[row, :end], atol=1e-4)
    alone = session.run(None, {"x": raw[:1, :61], "x_lens": frames[:1]})[0]
    assert np.allclose(alone[0], found[0, :16], atol=1e-4)


def test_chunk_by_chunk_is_the_whole(rng, tmp_path):
    """As sherpa-onnx calls it: offset, caches and mask of the past."""
    import onnxruntime

    keras.utils.set_random_seed(2)
    chunk, left = 3, 2
    model = models.conformer(labels=(" ", "a", "b"), chunk=chunk, left=left, **SMALL)
    network = network_of(model)
    for weight in network.weights:
        if not weight.name.startswith("seed"):
            weight.assign(np.asarray(weight) + rng.normal(0, 0.1, weight.shape))
    conformer_streaming.write(model, network, (MEAN, DEVIATION), tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "streaming.onnx")
    chunks, past = 6, chunk * left
    given = rng.normal(0, 1, (1, 4 * chunk * chunks + 8, 80)).astype(np.float32)
    given = np.maximum(given, (conformer_streaming.FLOOR - MEAN) / DEVIATION)
    raw = given * DEVIATION + MEAN + conformer_streaming.SCALE
    states = [
        np.zeros((2, 2, past, 16), np.float32), np.zeros((2, 1, 16, 4), np.float32),
    ]  # fmt: skip
    found = []
    for number in range(chunks):
        x = raw[:, 4 * chunk * number :][:, : 4 * (chunk - 1) + 7]
        mask = np.ones((1, 1, past + chunk), bool)
        mask[..., : max(0, past - number * chunk)] = False
        names = ("x", "offset", "required_cache_size", "attn_cache", "conv_cache", "attn_mask")
        values = x, np.array([past + number * chunk]), np.array([past]), *states, mask
        out, *states = session.run(None, dict(zip(names, values, strict=True)))
        assert out.shape == (1, chunk, 4)
        found.append(out[0])
    frames = np.array([given.shape[1]], np.int32)
    logits = np.asarray(network.predict_on_batch([given, frames]), np.float64)
    wanted = np.roll(logits - np.logaddexp.reduce(logits, -1)[..., None], 1, -1)[0]
    assert np.allclose(np.concatenate(found), wanted[: chunk * chunks], atol=1e-4)


def test_other_features_are_refused(tmp_path):
    model = models.conformer(labels=("a",), bands=40, **SMALL)
    with pytest.raises(UserError, match="sherpa-onnx computes 80 bands"):
        conformer_onnx.write(model, network_of(model), (MEAN, DEVIATION), tmp_path)
    with pytest.raises(UserError, match="train with chunk=16"):
        conformer_streaming.write(model, None, (MEAN, DEVIATION), tmp_path)
