"""Long recordings are cut at pauses, at whatever rate a client wants."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from trainer.clients import Hypothesis
from trainer.stt.transcription import (
    Segment,
    Transcript,
    as_srt,
    cut,
    files_in,
    names_of,
    transcribe,
)


def bursts(rng, lengths, pause, rate=16000):
    """Noise of given lengths in seconds, with pauses between."""
    parts = []
    for seconds in lengths:
        parts += [np.zeros(int(pause * rate)), rng.normal(0, 0.2, int(seconds * rate))]
    samples = np.concatenate([*parts, np.zeros(int(pause * rate))])
    return samples + rng.normal(0, 1e-4, len(samples))


@pytest.mark.parametrize("rate", [8000, 16000])
def test_segments_are_where_the_sound_is(tmp_path, rng, rate):
    lengths = [2.0, 5.0, 1.0] * 12
    soundfile.write(tmp_path / "a.wav", bursts(rng, lengths, 1.5), 16000)
    found = list(cut(tmp_path / "a.wav", rate))
    assert len(found) == len(lengths)
    start = 1.5
    for (at, samples), seconds in zip(found, lengths, strict=True):
        assert at == pytest.approx(start - 0.2, abs=0.06)
        assert len(samples) / rate == pytest.approx(seconds + 0.4, abs=0.08)
        start += seconds + 1.5


def test_speech_without_pauses_is_cut_too(tmp_path, rng):
    soundfile.write(tmp_path / "a.wav", bursts(rng, [150.0], 1.0), 16000)
    found = list(cut(tmp_path / "a.wav", 16000))
    assert all(len(samples) <= 16000 * 21 for _, samples in found)
    assert sum(len(samples) for _, samples in found) / 16000 > 149


def test_short_files_stay_whole_and_silence_gives_nothing(tmp_path, rng):
    soundfile.write(tmp_path / "a.wav", bursts(rng, [1.0, 1.0], 2.0), 16000)
    ((at, samples),) = cut(tmp_path / "a.wav", 16000)
    assert (at, len(samples)) == (0.0, 16000 * 8)
    soundfile.write(tmp_path / "b.wav", np.zeros(16000 * 90), 16000)
    assert list(cut(tmp_path / "b.wav", 16000)) == []


class Client:
    """Gives the length of what it hears."""

    sample_rate_hz = 16000

    def transcribe(self, samples):
        text = f"{len(samples) / 16000:.0f}"
        return Hypothesis(text, -1.0, ((text, 0.1),))


def test_words_have_times_of_the_file(tmp_path, rng):
    soundfile.write(tmp_path / "a.wav", bursts(rng, [10.0, 10.0], 2.0), 16000)
    found = transcribe(Client(), tmp_path / "a.wav")
    assert [round(s.start) for s in found.segments] == [2, 14]
    assert [w.start - s.start for s in found.segments for w in s.words] == pytest.approx([0.1] * 2)
    (tmp_path / "b.wav").write_bytes(b"x")
    assert "b.wav: cannot be decoded" in transcribe(Client(), tmp_path / "b.wav").error


def test_subtitles():
    segments = (Segment(0.5, 2.25, "one", -1, ()), Segment(2.25, 3, "", -1, ()))
    segments += (Segment(3661.001, 3662, "two", -1, ()),)
    assert as_srt(Transcript("a", segments)) == (
        "1\n00:00:00,500 --> 00:00:02,250\none\n\n2\n01:01:01,001 --> 01:01:02,000\ntwo\n"
    )


def test_transcripts_of_equal_names_are_told_apart():
    files = [Path("a/x.wav"), Path("b/x.wav"), Path("b/x.mp3"), Path("b/y.wav")]
    assert names_of(files) == {
        "a/x.wav": "a_x.wav",
        "b/x.wav": "b_x.wav",
        "b/x.mp3": "x.mp3",
        "b/y.wav": "y",
    }


def test_folders_are_searched(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("a.M4A", "b/c.wav", "b/notes.txt"):
        (tmp_path / name).touch()
    assert files_in([tmp_path]) == [tmp_path / "a.M4A", tmp_path / "b" / "c.wav"]
    assert files_in([tmp_path / "x.wav"]) == [tmp_path / "x.wav"]
