"""MFCCs equal TensorFlow's operations, which the clients run; frames as the clients count them."""

import numpy as np
import pytest
import soxr

from trainer.audio.mfcc import Features, cepstra

AS_USUAL = Features()


@pytest.mark.parametrize(
    "features",
    [AS_USUAL, Features(16000, 25, 10), Features(8000), Features(44100, 20, 20)],
    ids=str,
)
def test_equal_to_tensorflow(say, rng, features):
    import tensorflow as tf

    rate = features.sample_rate_hz
    samples = soxr.resample(say("seven hundred and twenty four"), 16000, rate)
    samples = samples + rng.normal(0, 1e-3, len(samples)).astype(
        np.float32
    )  # in bands that are empty rounding is all there is
    spectrum = tf.raw_ops.AudioSpectrogram(
        input=samples[:, None],
        window_size=features.window,
        stride=features.step,
        magnitude_squared=True,
    )
    wanted = tf.raw_ops.Mfcc(
        spectrogram=spectrum,
        sample_rate=rate,
        upper_frequency_limit=rate / 2,
        lower_frequency_limit=20,
        filterbank_channel_count=40,
        dct_coefficient_count=26,
    )[0].numpy()
    found = cepstra(features.log_mels(samples))
    assert (
        found.shape == wanted.shape == (1 + (len(samples) - features.window) // features.step, 26)
    )
    assert np.abs(found - wanted).max() < 5e-3
    assert np.abs(wanted).max() > 5


def test_the_last_window_is_filled_up():
    for samples in (1, 512, 513, 832, 833):
        filled = AS_USUAL.padded(np.ones(samples, np.float32))
        assert (len(filled) - 512) % 320 == 0
        assert 0 <= len(filled) - samples < max(320, 512)


def test_frames_and_seconds():
    assert (AS_USUAL.window, AS_USUAL.step, AS_USUAL.bins) == (512, 320, 257)
    assert (
        Features(8000, 25, 10).window,
        Features(8000, 25, 10).step,
        Features(8000, 25, 10).bins,
    ) == (200, 80, 129)
    assert AS_USUAL.seconds(50) == 1.0 == Features(step_ms=10).seconds(100)
    assert (AS_USUAL.frames(0.96), Features(step_ms=10).frames(0.96)) == (48, 96)


def test_scaled_bands_are_where_a_tone_of_another_pitch_is():
    def loudest(mels):
        return int(mels.mean(0).argmax())

    def tone(hertz):
        return AS_USUAL.log_mels(
            np.sin(2 * np.pi * hertz * np.arange(16000) / 16000).astype(np.float32)
        )

    scaled = AS_USUAL.scaled_bands
    assert scaled(1.0) == pytest.approx(np.arange(40))
    for hertz, factor in ((500, 1.15), (1500, 1.15), (4000, 1.15), (3000, 0.85)):
        as_low = np.interp(scaled(factor), np.arange(40), tone(hertz * factor).mean(0))
        assert abs(int(as_low.argmax()) - loudest(tone(hertz))) <= 1
        assert abs(scaled(factor)[loudest(tone(hertz))] - loudest(tone(hertz * factor))) < 1
