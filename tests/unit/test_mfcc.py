"""MFCCs equal TensorFlow's operations, which the clients run; frames as the clients count them."""

import numpy as np

from trainer.mfcc import frame_count, mfcc, padded


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
