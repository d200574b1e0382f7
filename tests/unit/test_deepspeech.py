"""The acoustic model: its recurrence and gradient, names of weights, batches, reading of tables."""

import numpy as np
import pytest

from trainer.export.contract import shapes
from trainer.models import deepspeech
from trainer.readers import ReaderError, common_voice, table


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

    found = []
    for recur in (plain, deepspeech._recur_tensorflow()):
        with tf.GradientTape() as tape:
            tape.watch([fed, recurrent])
            y = recur(fed, recurrent)
            value = tf.reduce_sum(y * y * tf.range(5, dtype=tf.float32))
        found.append([y, *tape.gradient(value, [fed, recurrent])])
    for wanted, got in zip(*found, strict=True):
        assert np.allclose(wanted, got, atol=1e-5)


def test_weights_have_the_names_and_shapes_of_the_checkpoints():
    model = deepspeech.build(deepspeech.Spec(n_hidden=12, classes=5))
    weights = deepspeech.weights_of(model)
    assert {name: value.shape for name, value in weights.items()} == shapes(12, 5)
    changed = {name: value + 1 for name, value in weights.items()}
    deepspeech.load_weights(model, changed)
    assert all(np.array_equal(changed[name], value) for name, value in deepspeech.weights_of(model).items())


def test_tables(tmp_path):
    (tmp_path / "a.csv").write_text("\ufeffwav_filename,wav_filesize,transcript,speaker\r\nx/1.wav,5,Hello,s1\r\n")
    assert [(u.path, u.transcript, u.speaker) for u in table.read(tmp_path / "a.csv")] == [(str(tmp_path / "x/1.wav"), "Hello", "s1")]
    (tmp_path / "b.csv").write_text("path,sentence\n")
    with pytest.raises(ReaderError, match="no column transcript and wav_filename; there are: path, sentence"):
        list(table.read(tmp_path / "b.csv"))


def test_common_voice(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "train.tsv").write_text("client_id\tpath\tsentence\tup_votes\nc1\ta.mp3\t\"Oui, dit-il.\t2\nc2\tb\tEn 1984\t2\n")
    found = [(u.path, u.transcript, u.speaker, u.split) for u in common_voice.read(tmp_path, "train")]
    assert found == [(str(tmp_path / "clips/a.mp3"), "oui dit il", "c1", "train"), (str(tmp_path / "clips/b.mp3"), "", "c2", "train")]
    with pytest.raises(ReaderError, match="not a language's folder"):
        list(common_voice.read(tmp_path, "dev"))
