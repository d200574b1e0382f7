"""The speaker encoder against the libraries that it stands for, and its file format."""

import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest

from trainer.audio import speakers
from trainer.errors import UserError


@pytest.fixture
def weights(rng):
    """Three layers of eight units, in the published names and shapes."""
    found = {"linear.weight": rng.normal(0, 1, (16, 8)), "linear.bias": rng.normal(0, 1, 16)}
    for layer, width in enumerate((40, 8, 8)):
        found[f"lstm.weight_ih_l{layer}"] = rng.normal(0, 0.5, (32, width))
        found[f"lstm.weight_hh_l{layer}"] = rng.normal(0, 0.5, (32, 8))
        found[f"lstm.bias_ih_l{layer}"] = rng.normal(0, 0.5, 32)
        found[f"lstm.bias_hh_l{layer}"] = rng.normal(0, 0.5, 32)
    return {name: values.astype(np.float32) for name, values in found.items()}


def test_the_layers_are_those_of_keras(weights, rng):
    import keras

    x = rng.normal(0, 1, (2, 30, 40)).astype(np.float32)
    y = x
    for layer in range(3):
        lstm = keras.layers.LSTM(8, return_sequences=True)
        lstm.build(y.shape)
        kinds = [weights[f"lstm.weight_{kind}_l{layer}"].T for kind in ("ih", "hh")]
        bias = weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        lstm.set_weights([*kinds, bias])
        y = lstm(y)
    found = speakers.Encoder(weights)._last_outputs(x)
    assert np.abs(found - np.asarray(y)[:, -1]).max() < 1e-5


def test_mel_energies_are_those_of_librosa(rng):
    import librosa

    clip = rng.normal(0, 0.1, 16000).astype(np.float32)
    level = 10 ** (speakers.LEVEL_DB / 20) / np.sqrt(np.mean(clip**2))
    options = {"n_fft": 400, "hop_length": 160, "n_mels": 40, "pad_mode": "constant"}
    wanted = librosa.feature.melspectrogram(y=clip * level, sr=16000, **options).T
    found = speakers._mel(clip)
    assert found.shape == wanted.shape
    assert np.abs(found / wanted - 1).max() < 1e-3


def test_embeddings_know_no_level_and_no_length(weights, say):
    encoder = speakers.Encoder(weights)
    clip = say("good morning")
    loud, quiet, long = encoder.embed([clip, clip * 0.1, np.tile(clip, 5)])
    assert np.linalg.norm(loud) == pytest.approx(1)
    assert np.abs(loud - quiet).max() < 1e-4
    assert long.shape == (16,)


class Storage(str):
    """The key of a storage."""


class Tensor:
    """Pickles as a tensor of Torch before 1.6 does."""

    def __init__(self, key, values):
        self.key, self.values = key, values

    def __reduce__(self):
        shape = self.values.shape
        strides = tuple(step // 4 for step in self.values.strides)
        return rebuild, (self.key, 0, shape, strides, False, OrderedDict())


def rebuild(*_):
    raise AssertionError("only pickled by name")


class Storages(pickle.Pickler):
    """Storages by their key, tensors under Torch's name."""

    def persistent_id(self, found):
        if isinstance(found, Storage):
            return ("storage", "FloatStorage", str(found), "cpu", 1, None)
        return None


def published(tensors, protocol=2):
    """Bytes of a file as Torch wrote it."""
    import io

    out = io.BytesIO()
    for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(header, out, protocol)
    state = {name: Tensor(Storage(name), values) for name, values in tensors.items()}
    Storages(out, protocol).dump({"step": 7, "model_state": OrderedDict(state)})
    pickle.dump(list(tensors), out, protocol)
    for values in tensors.values():
        out.write(struct.pack("<q", values.size) + values.tobytes())
    name = f"{rebuild.__module__}\nrebuild\n".encode()
    return out.getvalue().replace(b"c" + name, b"ctorch._utils\n_rebuild_tensor_v2\n")


def test_weights_are_read_without_torch(weights):
    found = speakers.read_weights(published(weights))
    assert found.keys() == weights.keys()
    assert all(np.array_equal(found[name], values) for name, values in weights.items())


def test_nothing_of_a_weights_file_is_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return open, (str(tmp_path / "harm"), "w")

    headers = [pickle.dumps(one, 2) for one in (1, 2, 3)]
    with pytest.raises(UserError, match="open is not a tensor"):
        speakers.read_weights(b"".join([*headers, pickle.dumps(Harm(), 2)]))
    assert not (tmp_path / "harm").exists()
    with pytest.raises(UserError, match="cannot be read"):
        speakers.read_weights(b"")
