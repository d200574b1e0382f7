"""Recurrent layers: gradients are those of a plain loop, padding freezes the state."""

import keras
import numpy as np
import pytest
from keras import ops

from trainer.models import recurrent


@pytest.mark.parametrize("kind", [recurrent.Lstm, recurrent.Gru])
def test_gradients_by_differences(rng, kind):
    import tensorflow as tf

    layer = kind(4)
    x = tf.constant(rng.normal(size=(6, 3, 5)), tf.float32)
    layer(x)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.5)
    factor = tf.constant(rng.normal(size=(6, 3, 4)), tf.float32)

    @tf.function
    def value_and_gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(layer(x) * factor)
        return value, tape.gradient(value, [x, *(w.value for w in layer.weights)])

    _, found = value_and_gradients(x)
    for weight, gradient in zip(layer.weights, found[1:], strict=True):
        direction = rng.normal(size=weight.shape)
        before, values = np.asarray(weight), []
        for sign in (1, -1):
            weight.assign(before + sign * 1e-2 * direction)
            values.append(float(value_and_gradients(x)[0]))
        weight.assign(before)
        slope = (values[0] - values[1]) / 2e-2
        assert slope == pytest.approx(float((np.asarray(gradient) * direction).sum()), rel=2e-2,
                                      abs=2e-2)  # fmt: skip


@pytest.mark.parametrize("kind", [recurrent.Lstm, recurrent.Gru])
def test_padding_freezes_the_state(rng, kind):
    x = rng.normal(size=(5, 2, 3)).astype(np.float32)
    used = np.ones((5, 2, 1), np.float32)
    used[3:, 0] = 0
    changed = x.copy()
    changed[3:, 0] += 9
    keras.utils.set_random_seed(1)
    given, mask = keras.Input(batch_shape=(5, 2, 3)), keras.Input(batch_shape=(5, 2, 1))
    ways = recurrent.both_ways(kind, 4, given, mask, "both")
    model = keras.Model([given, mask], ops.concatenate(ways, -1))
    one, other = model([x, used]), model([changed, used])
    assert np.allclose(one, other, atol=1e-6)
    assert not np.asarray(one)[3:, 0].any()
