"""Manifests, features, augmentation on training only, batches that a seed and a step give."""

import numpy as np
import pytest
import soundfile

from trainer import data
from trainer.data import manifest
from trainer.data.dataset import check_unchanged
from trainer.data.loader import roomy
from trainer.errors import UserError


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    rows = ["wav_filename,transcript,speaker,split"]
    for n in range(30):
        rate = 8000 if n % 2 else 16000  # other rates are resampled
        soundfile.write(tmp_path / f"{n}.wav", 0.1 * rng.normal(size=rate * (n % 5 + 1) // 2), rate)
        rows.append(f"{n}.wav,{'ab' * (n % 4 + 1)},s{n % 3},{'dev' if n < 6 else 'train'}")
    (tmp_path / "empty.wav").write_bytes(b"")
    rows += ["empty.wav,a,s,train", "gone.wav,a,s,train", "0.wav,,s,train"]
    path = tmp_path / "clips.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_clips_that_cannot_be_used_are_listed(table):
    dataset = data.AudioDataset(table, data.AudioProcessor("log_mel_20"), "train")
    assert len(dataset) == 24
    assert [one.kind for one in dataset.rejected] == ["cannot be decoded", "no such file",
                                                      "no transcript"]  # fmt: skip
    assert dataset.labels == (" ", "a", "b")
    assert len(dataset.texts) == len(dataset.targets) == 24
    with pytest.raises(UserError, match="no clips of split 'test'; there are: dev, train"):
        data.AudioDataset(table, data.AudioProcessor(), "test")
    other = data.AudioDataset(table, data.AudioProcessor(), "dev", (" ", "a"))
    with pytest.raises(UserError, match=r"all clips are rejected: characters outside the labels"):
        len(other)


@pytest.mark.parametrize(
    ("features", "bands"), [("log_mel_80", 80), ("mfcc_26", 26), ("spectrogram", 161)]
)
@pytest.mark.parametrize("normalize", ["clip", "fixed"])
def test_features(rng, features, bands, normalize):
    processor = data.AudioProcessor(features, normalize)
    found = processor(rng.normal(0, 0.1, 16_000).astype(np.float32))
    assert found.shape[1] == bands == processor.bands
    assert 97 <= len(found) <= 101
    assert np.isfinite(found).all()
    assert np.abs(found).mean() < 5
    if normalize == "clip":
        assert np.abs(found.mean(0)).max() < 1e-3


def test_unknown_features_are_refused():
    for name in ("log_mel", "log_mel_4", "mfcc_13", "cepstra"):
        with pytest.raises(UserError, match="there are log_mel_N"):
            data.AudioProcessor(name)


def test_log_mels_are_those_of_kaldi(rng):
    """The frames of sherpa-onnx's own front-end: povey windows of 25 ms, 20 Hz to 7600 Hz."""
    samples = rng.normal(0, 0.1, 16_000).astype(np.float32)
    mean, deviation = data.AudioProcessor().constants
    found = data.AudioProcessor()(samples) * deviation + mean
    place = 160 * 40 - 120  # frame 40 is about sample 160 * 40 + 80
    frame = samples[place : place + 400].astype(float)
    frame = frame - frame.mean()
    frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(frame * window, 512)) ** 2
    mel = lambda hertz: 1127 * np.log(1 + hertz / 700)  # noqa: E731
    edges = np.linspace(mel(20), mel(7600), 82)
    at = mel(np.arange(257) * 16_000 / 512)
    up = (at[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - at[None]) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.maximum(0, np.minimum(up, down))
    assert np.allclose(found[40], np.log(np.maximum(bank @ power, 1e-7)), atol=0.05)


def test_only_training_is_augmented(table):
    processor = data.AudioProcessor(
        "log_mel_20", augment=(data.Waveforms(share=1.0), data.Tempo(0.2), data.SpecAugment())
    )
    loader = data.AudioDataset(table, processor, "train").loader(batch_seconds=10)
    loader.begin(5)
    numbers = loader._batches.numbers(0)
    plain, again = loader.of(numbers), loader.of(numbers)
    assert np.array_equal(plain.features, again.features)
    changed = loader.batch(0, lambda labels: 1)
    assert not np.array_equal(changed.frames, plain.frames)
    assert np.array_equal(changed.features, loader.batch(0, lambda labels: 1).features)
    assert not np.array_equal(changed.features[:, :20], loader.batch(1, lambda labels: 1)
                              .features[: len(changed), :20])  # fmt: skip


def test_batches(table):
    dataset = data.AudioDataset(table, data.AudioProcessor("log_mel_20"), "train")
    loader = dataset.loader(batch_seconds=6)
    loader.begin(1)
    shapes, seen = set(), []
    for step in range(3 * loader.per_epoch):
        batch = loader.batch(step, lambda labels: 1, views=2, parts=2)
        assert len(batch) % 4 == 0
        assert batch.features.shape[0] * batch.features.shape[1] <= 2 * 2 * 600
        shapes.add(batch.features.shape[1])
        seen += batch.numbers
    assert set(seen) == set(range(24))
    assert len(shapes) <= 5
    assert sorted(np.concatenate(loader.all())) == list(range(24))
    sizes = {roomy(frames) for frames in range(1, 3000)}
    assert len(sizes) < 24
    assert all(roomy(frames) >= frames for frames in range(1, 3000))


def test_a_changed_file_is_told(table):
    import json

    dataset = data.AudioDataset(table, data.AudioProcessor("log_mel_20"), "train")
    before = json.loads(dataset.files.read_text())
    check_unchanged("train", before, dataset)
    soundfile.write(table.parent / "9.wav", np.zeros(16_000) + 0.1, 16_000)
    other = data.AudioDataset(table, data.AudioProcessor("log_mel_20"), "train")
    with pytest.raises(UserError, match=r"1 of 26 files (.|\n)*9\.wav"):
        check_unchanged("train", before, other)


def test_manifests_keep_parts_of_recordings(table, tmp_path):
    rows = [manifest.Row(str(table.parent / "4.wav"), "a", 1.0, start=0.5, end=1.5, speaker="x")]
    for name in ("m.csv", "m.jsonl"):
        manifest.write(table.parent / name, rows)
        assert manifest.read(table.parent / name) == rows
        assert "/" not in (table.parent / name).read_text().split("wav_filename")[-1][:14]
    dataset = data.AudioDataset(table.parent / "m.csv", data.AudioProcessor("log_mel_20"))
    assert dataset.seconds_of_clips[0] == pytest.approx(1.0)
