import numpy as np
import pytest
import soundfile

from trainer.audio import io as audio
from trainer.audio.decode import AudioError


def test_reads_any_rate_and_channels_as_mono_16k(tmp_path, rng):
    tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000).astype(np.float32) * 0.5
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone, tone], 1), 8000)
    samples = audio.read(tmp_path / "stereo.wav")
    assert abs(len(samples) - 16000) < 10
    assert np.argmax(np.abs(np.fft.rfft(samples[:16000]))) == pytest.approx(440, abs=2)
    assert audio.rms(samples) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_blocks_join_to_the_whole(tmp_path, rng):
    noise = rng.normal(0, 0.1, 44100 * 3).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", noise, 44100)
    whole = audio.read(tmp_path / "a.flac")
    blocks = np.concatenate(list(audio.read_blocks(tmp_path / "a.flac", 0.5)))
    assert len(whole) == len(blocks)
    assert np.abs(whole - blocks).max() < 1e-4


def test_a_file_of_whole_blocks_loses_nothing(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(32000, 0.25, np.float32), 32000)
    assert abs(len(np.concatenate(list(audio.read_blocks(tmp_path / "a.wav", 0.5)))) - 16000) < 3


def test_an_mp3_that_tells_more_than_it_holds_ends_where_it_ends(tmp_path, rng):
    soundfile.write(tmp_path / "a.mp3", rng.normal(0, 0.1, 32000).astype(np.float32), 16000)
    (tmp_path / "short.mp3").write_bytes((tmp_path / "a.mp3").read_bytes()[:-2000])
    held = soundfile.read(tmp_path / "short.mp3")[0]
    assert len(held) < soundfile.info(tmp_path / "short.mp3").frames
    for seconds in (60, 0.3):
        found = np.concatenate(list(audio.read_blocks(tmp_path / "short.mp3", seconds)))
        assert len(found) == len(held)
        assert np.abs(found - held).max() < 1e-3


def test_a_file_of_which_half_is_missing_is_told(tmp_path, rng):
    soundfile.write(tmp_path / "a.mp3", rng.normal(0, 0.1, 64000).astype(np.float32), 16000)
    whole = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "half.mp3").write_bytes(whole[: len(whole) // 2])
    assert (
        len(np.concatenate(list(audio.read_blocks(tmp_path / "half.mp3")))) > 16000
    )  # of long recordings, the rest is read
    with pytest.raises(AudioError, match=r"cut off: its last [12]\.[0-9] s are not there"):
        audio.read(tmp_path / "half.mp3")


def test_reasons_name_what_is_wrong(tmp_path):
    (tmp_path / "page.mp3").write_text("<html>404</html>")
    for name, expected in (
        ("page.mp3", "damaged or not sound"),
        ("none.mp3", "no such file"),
        ("", "is a folder"),
    ):
        with pytest.raises(AudioError, match=expected):
            audio.read(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"not audio at all", b"RIFF\x00\x00"])
def test_says_why_a_file_cannot_be_read(tmp_path, content):
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(AudioError, match="decoded|no audio"):
        audio.read(tmp_path / "bad.wav")


def test_empty_wav_holds_no_audio(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16000)
    with pytest.raises(AudioError, match="no audio"):
        audio.read(tmp_path / "empty.wav")


def test_int16_clips_like_the_clients():
    assert audio.to_int16(np.array([1.0, -1.0, 2.0, 0.5], np.float32)).tolist() == [
        32767,
        -32768,
        32767,
        16384,
    ]
