import numpy as np
import pytest

from trainer.audio.speech import phrases_in, speech_bounds

HZ = 16000


def silence(seconds):
    return np.zeros(int(seconds * HZ), np.float32)


def trimmed(samples):
    first, last = speech_bounds(samples)
    return samples[first:last]


def test_speech_bounds_find_the_word_and_leave_the_click(rng):
    samples = rng.normal(0, 1e-3, 48000).astype(np.float32)
    samples[2000:2100] += 0.3
    samples[20000:30000] += 0.3 * np.sin(np.arange(10000) * 0.2)
    first, last = speech_bounds(samples)
    assert abs(first - 20000) < 500
    assert abs(last - 30000) < 500
    assert speech_bounds(np.zeros(16000, np.float32)) is None
    filled = np.concatenate(
        [samples, np.zeros(32000, np.float32)]
    )  # recorders fill up with digital silence
    assert np.allclose(speech_bounds(filled), (first, last), atol=500)


@pytest.mark.parametrize("pause", [0.2, 0.35, 0.6, 0.9])
def test_a_pause_inside_the_phrase_costs_no_word(say, rng, pause):
    first, second = trimmed(say("hey")), trimmed(say("jarvis"))
    both = [silence(0.5), first, silence(pause), second, silence(0.5)]
    samples = np.concatenate(both) + rng.normal(0, 1e-3, sum(map(len, both))).astype(np.float32)
    expected = (len(first) + len(second)) / HZ + pause
    assert len(trimmed(samples)) / HZ == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("what", ["offset", "hum", "hum with offset"])
def test_offset_and_hum_are_no_speech(say, rng, what):
    word = np.concatenate([silence(0.5), trimmed(say("computer")), silence(0.5)])
    noisy = word + rng.normal(0, 1e-3, len(word)).astype(np.float32)
    expected = speech_bounds(noisy)
    if "offset" in what:
        noisy = noisy + np.float32(0.05)
    if "hum" in what:
        noisy = noisy + np.float32(0.05) * np.sin(2 * np.pi * 50 / HZ * np.arange(len(word)))
    assert np.allclose(speech_bounds(noisy.astype(np.float32)), expected, atol=400)


@pytest.mark.parametrize(("inside", "between"), [(0.0, 0.7), (0.0, 2.0), (0.3, 1.2)])
def test_a_long_take_is_cut_into_its_phrases(say, rng, inside, between):
    parts, hey, jarvis = [silence(0.4)], trimmed(say("hey")), trimmed(say("jarvis"))
    for _ in range(20):
        phrase = [hey, silence(inside), jarvis] if inside else [hey, jarvis]
        level = np.float32(rng.uniform(0.3, 1))
        parts += [level * np.concatenate(phrase), silence(between * rng.uniform(0.8, 1.3))]
    take = np.concatenate(parts)
    take = take + rng.normal(0, 1e-3, len(take)).astype(np.float32)
    found = phrases_in(take, 2.2)
    usual = (len(hey) + len(jarvis)) / HZ + inside
    assert len(found) == 20
    assert [(end - first) / HZ for first, end in found] == pytest.approx([usual] * 20, abs=0.15)


def test_a_breath_far_from_the_phrase_is_left_out_and_a_quiet_word_is_not(say, rng):
    hey, jarvis = trimmed(say("hey")), trimmed(say("jarvis"))
    breath = rng.normal(0, 0.15 * jarvis.std(), 1600).astype(np.float32)
    for extra, kept in ((breath, False), (hey * np.float32(0.5), True)):
        parts = [silence(0.5), extra, silence(0.5), jarvis, silence(0.5)]
        samples = np.concatenate(parts) + rng.normal(0, 1e-3, sum(map(len, parts)))
        first, _ = speech_bounds(samples.astype(np.float32))
        assert (first < 0.6 * HZ) == kept
