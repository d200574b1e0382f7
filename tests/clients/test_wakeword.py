"""Exported models in the real interpreters: TFLite Micro, LiteRT, pymicro-wakeword; every model of
the zoo."""

import json

import numpy as np
import pytest

from trainer import models
from trainer.errors import UserError
from trainer.wakeword.export import manifest, tflite


@pytest.fixture(scope="module", params=["mixednet", "inception"])
def exported(request, tmp_path_factory):
    import keras

    from trainer.models.streaming import copy_weights

    keras.utils.set_random_seed(0)
    spec = models.spec_of(request.param)
    rng = np.random.default_rng(0)
    model = models.build(spec)
    for weight in model.weights:
        value = np.asarray(weight)
        if "seed" not in weight.path:
            weight.assign(
                value + rng.uniform(0, 0.2, value.shape).astype(value.dtype)
                if value.ndim == 1
                else value * 1.3
            )
    stream, scan = models.build(spec, "stream"), models.build(spec, "scan")
    x = rng.integers(0, 256, (4, spec.frames, 40), dtype=np.uint8)
    copy_weights(model, scan)
    logits = np.asarray(scan.predict_on_batch(x))
    head = model.get_layer("head")  # centre the output, so that differences can be seen
    head.bias.assign(head.bias - logits.mean())
    for other in (stream, scan):
        copy_weights(model, other)
    data = tflite.streaming_tflite(stream, x, spec.stride)
    path = tmp_path_factory.mktemp(request.param) / "word.tflite"
    path.write_bytes(data)
    return spec, scan, path


def test_esphome_has_all_it_needs(exported):
    _, _, path = exported
    found = tflite.check(path.read_bytes())
    assert set(found["ops"]) <= tflite.ESPHOME_OPS
    assert found["variables"] <= tflite.VARIABLE_LIMIT
    measured, allowed = tflite.arena_bytes(path)
    assert 4_000 < measured < allowed < 100_000


def test_states_carry_and_agree_with_keras(exported, rng):
    spec, scan, path = exported
    x = rng.integers(0, 256, (1, spec.frames + 60, 40), dtype=np.uint8)
    silence = np.zeros(
        (1, spec.frames - spec.stride, 40), np.uint8
    )  # a device starts as after silence
    wanted = 1 / (
        1 + np.exp(-np.asarray(scan.predict_on_batch(np.concatenate([silence, x], axis=1)))[0])
    )
    stream = tflite.Stream(path.read_bytes())
    found = stream(x[0]) / 256
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < 0.02
    assert np.abs(found - wanted).max() < 0.15  # noise at full scale, as no room sounds
    first = stream(x[0])
    stream.reset()
    assert not np.array_equal(first, stream(x[0])) or np.ptp(first) == 0
    stream.reset()
    again = stream(x[0])
    stream.reset()
    assert np.array_equal(again, stream(x[0]))


def test_tflite_micro_gives_the_same_outputs(exported, rng):
    from tflite_micro.python.tflite_micro import runtime

    spec, _, path = exported
    x = rng.integers(0, 256, (300, 40), dtype=np.uint8)
    micro = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=200_000)
    outputs = []
    for at in range(0, 300, spec.stride):
        micro.set_input((x[None, at : at + spec.stride].astype(np.int16) - 128).astype(np.int8), 0)
        micro.invoke()
        outputs.append(int(micro.get_output(0)[0, 0]))
    assert np.abs(np.array(outputs) - tflite.Stream(path.read_bytes())(x)).max() <= 3


def test_pymicro_wakeword_reads_manifest_and_model(exported):
    from trainer.wakeword.client import wakes

    _, _, path = exported
    micro = manifest.Micro(
        probability_cutoff=0.97,
        sliding_window_size=5,
        feature_step_size=10,
        tensor_arena_size=40000,
        minimum_esphome_version="2024.7.0",
    )
    written = path.with_suffix(".json")
    manifest.write(
        written,
        manifest.Manifest(
            wake_word="Word", author="a", model=path.name, trained_languages=["en"], micro=micro
        ),
    )
    assert wakes(written, [np.zeros(16000, np.float32)]) in ([True], [False])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"extra": 1}, "extra"),
        ({"version": 1}, "version"),
        ({"model": "../x.tflite"}, "model"),
        ({"micro": {"probability_cutoff": 1.0}}, "micro.probability_cutoff"),
    ],
)
def test_manifests_that_esphome_would_refuse(tmp_path, change, expected):
    good = {
        "type": "micro",
        "wake_word": "w",
        "author": "a",
        "website": "https://x.org",
        "model": "w.tflite",
        "trained_languages": ["en"],
        "version": 2,
        "micro": {
            "probability_cutoff": 0.5,
            "sliding_window_size": 5,
            "feature_step_size": 10,
            "tensor_arena_size": 1,
            "minimum_esphome_version": "2024.7.0",
        },
    }
    (tmp_path / "m.json").write_text(json.dumps(good))
    manifest.read(tmp_path / "m.json")
    merged = good | change
    if "micro" in change:
        merged["micro"] = good["micro"] | change["micro"]
    (tmp_path / "m.json").write_text(json.dumps(merged))
    with pytest.raises(UserError, match=expected):
        manifest.read(tmp_path / "m.json")


def test_models_the_device_would_refuse():
    import tensorflow as tf

    inputs = tf.keras.Input(batch_shape=(1, 3, 40))
    odd = tf.keras.Model(
        inputs, tf.keras.layers.Dense(1, activation="tanh")(tf.keras.layers.Flatten()(inputs))
    )
    with pytest.raises(UserError, match="TANH"):
        tflite.check(tflite.streaming_tflite(odd, np.zeros((1, 30, 40), np.uint8), 3))
