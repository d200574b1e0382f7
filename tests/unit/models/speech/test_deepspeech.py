"""The acoustic model: its recurrence and gradient, names of weights."""

import numpy as np

from trainer.models import recurrent as recurrent_layers
from trainer.models.speech import deepspeech
from trainer.models.speech.deepspeech import shapes


def test_gradient_is_that_of_the_plain_loop(rng):
    import tensorflow as tf

    fed = tf.constant(rng.normal(0, 0.5, (7, 3, 20)), tf.float32)
    recurrent = tf.constant(rng.normal(0, 0.5, (5, 20)), tf.float32)

    def plain(fed, recurrent):
        h = c = tf.zeros((3, 5))
        out = []
        for t in range(7):
            i, j, f, o = tf.split(fed[t] + h @ recurrent, 4, 1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
            h = tf.sigmoid(o) * tf.tanh(c)
            out.append(h)
        return tf.stack(out)

    def both(fed, recurrent):
        return recurrent_layers._side_by_side(recurrent_layers._lstm_tensorflow(), fed, recurrent)

    found = []
    for recur in (plain, recurrent_layers._lstm_tensorflow(), both):
        with tf.GradientTape() as tape:
            tape.watch([fed, recurrent])
            y = recur(fed, recurrent)
            value = tf.reduce_sum(y * y * tf.range(5, dtype=tf.float32))
        found.append([y, *tape.gradient(value, [fed, recurrent])])
    for others in found[1:]:
        for wanted, got in zip(found[0], others, strict=True):
            assert np.allclose(wanted, got, atol=1e-5)


def test_weights_have_the_names_and_shapes_of_the_checkpoints():
    model = deepspeech.build(deepspeech.Spec(n_hidden=12, classes=5))
    weights = deepspeech.weights_of(model)
    assert {name: value.shape for name, value in weights.items()} == shapes(12, 5)
    changed = {name: value + 1 for name, value in weights.items()}
    deepspeech.load_weights(model, changed)
    assert all(
        np.array_equal(changed[name], value) for name, value in deepspeech.weights_of(model).items()
    )


def test_layer_norm_has_the_names_of_the_checkpoints():
    model = deepspeech.build(deepspeech.Spec(n_hidden=12, classes=5, layer_norm=True))
    assert {name: value.shape for name, value in deepspeech.weights_of(model).items()} == shapes(
        12, 5, layer_norm=True
    )
