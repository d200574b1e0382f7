"""MFCCs equal TensorFlow's operations, which the clients run; frames as the clients count them."""

import numpy as np
import pytest

from trainer.mfcc import frame_count, log_mels, mfcc, padded, scaled_bands


def test_equal_to_tensorflow(say):
    import tensorflow as tf

    samples = say("seven hundred and twenty four")
    spectrum = tf.raw_ops.AudioSpectrogram(input=samples[:, None], window_size=512, stride=320, magnitude_squared=True)
    wanted = tf.raw_ops.Mfcc(spectrogram=spectrum, sample_rate=16000, upper_frequency_limit=8000, lower_frequency_limit=20,
                             filterbank_channel_count=40, dct_coefficient_count=26)[0].numpy()
    found = mfcc(samples)
    assert found.shape == wanted.shape == (frame_count(len(samples)), 26)
    assert np.abs(found - wanted).max() < 5e-3
    assert np.abs(wanted).max() > 5


def test_the_last_window_is_filled_up():
    for samples in (1, 512, 513, 832, 833):
        assert (len(padded(np.ones(samples, np.float32))) - 512) % 320 == 0
        assert 0 <= len(padded(np.ones(samples, np.float32))) - samples < max(320, 512)


def test_scaled_bands_are_where_a_tone_of_another_pitch_is():
    def loudest(mels):
        return int(mels.mean(0).argmax())

    def tone(hertz):
        return log_mels(np.sin(2 * np.pi * hertz * np.arange(16000) / 16000).astype(np.float32))

    assert scaled_bands(1.0) == pytest.approx(np.arange(40))
    for hertz, factor in ((500, 1.15), (1500, 1.15), (4000, 1.15), (3000, 0.85)):
        as_low = np.interp(scaled_bands(factor), np.arange(40), tone(hertz * factor).mean(0))
        assert abs(int(as_low.argmax()) - loudest(tone(hertz))) <= 1
        assert abs(scaled_bands(factor)[loudest(tone(hertz))] - loudest(tone(hertz * factor))) < 1
