"""The diversity of voices: the encoder fetched once, and the score of stores of speech."""

import zipfile

import numpy as np
import pytest

from trainer.errors import UserError
from trainer.settings import load
from trainer.store import audio_row, build
from trainer.wakeword import diversity
from trainer.wakeword.engines import Voice
from trainer.wakeword.given import Given
from trainer.wakeword.settings import WakeWordSettings


def spoken(names, chunk):
    """Ten sentences, by turns of voices."""
    for i in range(10):
        pitch = (i % len(names)) / len(names)
        voice = Voice("espeak", names[i % len(names)], 1.0, pitch, 0.5, 1.0 + 0.1 * pitch)
        yield audio_row(voice.speak("it is a fine day today"))


class Bands:
    """A stand-in for the encoder: energies of a clip in 16 bands, about their mean."""

    def embed(self, clips):
        bands = [np.array_split(np.log(np.abs(np.fft.rfft(clip)) + 1e-3), 16) for clip in clips]
        rows = np.array([[part.mean() for part in one] for one in bands])
        rows -= rows.mean(axis=1, keepdims=True)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_more_voices_are_more_different(tmp_path, workers):
    stores = {}
    kinds = ("one", ("en-us+m3",)), ("many", ("en-us+m3", "en+f2", "en-us+whisper"))
    for kind, names in kinds:
        stores[kind] = tmp_path / kind
        stores[kind].mkdir()
        build(stores[kind], spoken, names, 1, "test", workers)
    found = diversity.measure(stores, Bands())
    assert found["clips"] == 20
    assert found["of_each"]["one"] == pytest.approx(1, abs=0.01)
    assert found["of_each"]["many"] > 1.1
    assert found["of_each"]["one"] < found["vendi_score"] < found["of_each"]["many"]


def test_the_encoder_is_fetched_once(tmp_path, monkeypatch, tiny_encoder):
    with np.load(tiny_encoder(tmp_path / "elsewhere")) as saved:
        weights = dict(saved)
    asked = []

    def wheels(lock, folder):
        asked.append(lock)
        with zipfile.ZipFile(folder / "a.whl", "w") as archive:
            archive.writestr("resemblyzer/pretrained.pt", b"weights")
        return [folder / "a.whl"]

    monkeypatch.setattr(diversity, "fetch_wheels", wheels)
    monkeypatch.setattr(diversity, "read_weights", lambda data: weights)
    for _ in range(2):
        path = diversity.fetch(tmp_path / "tools")
    assert len(asked) == 1
    assert [p.name for p in path.parent.iterdir()] == ["encoder.npz"]
    assert diversity.opened(path).weights.keys() == weights.keys()
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match="damaged .* removed; run the same command again"):
        diversity.opened(path)
    assert diversity.find(tmp_path / "tools") is None


def test_without_a_network_a_run_goes_on(tmp_path, monkeypatch, caplog):
    lock = tmp_path / "empty.lock"
    lock.write_text("voicekiln-no-such-package==1.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(diversity, "LOCK", lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    loaded = load(WakeWordSettings, {"data_dir": str(tmp_path)}, {})
    assert Given(loaded.settings, "hey buster").encoder is None
    assert "the diversity of voices is not measured: " in caplog.text
