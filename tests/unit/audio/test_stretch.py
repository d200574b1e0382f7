"""Tempo and pitch, by the library and without it."""

import numpy as np
import pytest

from trainer.audio import stretch

TONE = np.sin(2 * np.pi * 400 * np.arange(16000) / 16000).astype(np.float32)


@pytest.fixture(params=["signalsmith", "wsola"])
def library(request, monkeypatch):
    if request.param == "wsola":  # as on processors for which the library has no wheel
        monkeypatch.setattr(stretch, "_signalsmith", lambda: None)


def loudest_hz(samples):
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(power) * 16000 / len(samples)


@pytest.mark.parametrize("semitones", [12, -5])
def test_pitch_moves_and_length_stays(library, semitones):
    moved = stretch.shift_pitch(TONE, semitones)
    assert len(moved) == len(TONE)
    assert loudest_hz(moved) == pytest.approx(400 * 2 ** (semitones / 12), abs=12)


@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_tempo_changes_and_pitch_stays(library, factor):
    changed = stretch.change_tempo(TONE, factor)
    assert len(changed) == pytest.approx(16000 / factor, rel=0.02)
    assert loudest_hz(changed) == pytest.approx(400, abs=12)
    assert np.sqrt(np.mean(changed**2)) == pytest.approx(2**-0.5, rel=0.1)


def test_speech_keeps_its_shape(library, say):
    word = say("computer")
    slow = stretch.change_tempo(word, 0.8)
    fold = len(slow) // 20
    envelope = [np.sqrt(np.mean(slow[i * fold : (i + 1) * fold] ** 2)) for i in range(20)]
    part = len(word) // 20
    wanted = [np.sqrt(np.mean(word[i * part : (i + 1) * part] ** 2)) for i in range(20)]
    assert np.corrcoef(envelope, wanted)[0, 1] > 0.9


@pytest.mark.parametrize("factor", [0.3, 0.45, 2.5])
def test_the_same_each_time_at_any_tempo(library, factor, rng):
    noise = rng.normal(0, 0.1, 8000).astype(np.float32)
    first, second = (stretch.change_tempo(noise, factor) for _ in range(2))
    assert np.array_equal(first, second)
    assert len(first) == pytest.approx(8000 / factor, rel=0.05)
