"""Clips of noise with transcripts."""

import pytest
import soundfile

from trainer import data


@pytest.fixture
def loaders(tmp_path, monkeypatch, rng):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    rows = ["wav_filename,transcript,split"]
    for n in range(12):
        soundfile.write(tmp_path / f"{n}.wav", 0.2 * rng.normal(size=8000), 16_000)
        rows.append(f"{n}.wav,{'ab' if n % 2 else 'b'},{'dev' if n < 3 else 'train'}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    processor = data.AudioProcessor("log_mel_20")
    train = data.AudioDataset("clips.csv", processor, "train")
    return train.loader(4.0), data.AudioDataset("clips.csv", processor, "dev").loader()
