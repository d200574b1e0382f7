import numpy as np
import pytest
import soundfile

from trainer.audio.io import AudioError
from trainer.errors import UserError
from trainer.rejected import Rejected
from trainer.wakeword import recordings
from trainer.wakeword.recordings import FilesPlan, audio_files, read_phrase


@pytest.fixture
def word(say, rng):
    samples = rng.normal(0, 1e-3, 32000).astype(np.float32)
    spoken = say("computer")[:14000]
    samples[8000 : 8000 + len(spoken)] += spoken
    return samples


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("a.wav", 16000, 1), ("a.flac", 8000, 2), ("a.ogg", 48000, 2), ("a.mp3", 44100, 1)],
)
def test_usual_formats_are_trimmed_to_the_phrase(tmp_path, word, name, rate, channels):
    import soxr

    samples = soxr.resample(word, 16000, rate)
    soundfile.write(tmp_path / name, np.stack([samples] * channels, 1), rate)
    assert 0.4 < len(read_phrase(tmp_path / name)) / 16000 < 1.2


def made(tmp_path, kind, word, rng):
    path = tmp_path / f"{kind}.wav"
    if kind == "corrupt":
        path.write_bytes(b"RIFFxxxx")
    elif kind == "long":
        soundfile.write(path, rng.normal(0, 0.1, 16000 * 600).astype(np.float32), 16000)
    else:
        samples = {
            "empty": word[:0],
            "short": word[:1000],
            "silent": word * 0,
            "clipped": np.sign(word) * (np.abs(word) > 0.001),
            "talk": np.tile(word[8000:20000], 6),
            "noise": rng.normal(0, 0.1, 20000),
        }[kind]
        soundfile.write(path, np.asarray(samples, np.float32), 16000, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("corrupt", "decoded"),
        ("empty", "no audio"),
        ("short", "too short: 0.06 s"),
        ("silent", "silent"),
        ("clipped", "clipped"),
        ("long", "longer than 15 s"),
        ("talk", "more speech than the phrase"),
    ],
)
def test_unusable_files_are_rejected_with_the_reason(tmp_path, word, rng, kind, why):
    path = made(tmp_path, kind, word, rng)
    with pytest.raises(AudioError, match=why):
        read_phrase(path)
    plan = FilesPlan((str(path),), whole=False)
    (found,) = recordings.read_chunk(plan, 0)
    assert isinstance(found, Rejected)
    assert why in found.reason


def test_whole_recordings_come_in_pieces(tmp_path, rng):
    soundfile.write(
        tmp_path / "tv.wav", rng.normal(0, 0.1, (16000 * 25, 2)).astype(np.float32), 16000
    )
    rows = list(recordings.read_chunk(FilesPlan((str(tmp_path / "tv.wav"),), whole=True), 0))
    assert [round(len(r[0]) / 16000) for r in rows] == [10, 10, 5]


def test_folder_without_audio(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="holds no audio"):
        audio_files(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        audio_files(tmp_path / "nowhere")


def test_recordings_too_short_for_a_negative_are_rejected(tmp_path, rng):
    soundfile.write(tmp_path / "a.wav", rng.normal(0, 0.1, 6400).astype(np.float32), 16000)
    (found,) = recordings.read_chunk(FilesPlan((str(tmp_path / "a.wav"),), whole=True), 0)
    assert found.reason == "too short: less than 0.5 s"
