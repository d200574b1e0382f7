import numpy as np
import pytest

from trainer.metrics import detection as metrics


def test_sliding_mean_as_the_client():
    values = np.array([1.0, 0.0, 1.0, 1.0])
    assert metrics.sliding_mean(values, 3).tolist() == pytest.approx([0, 0, 2 / 3, 2 / 3])
    assert metrics.sliding_mean(values, 9).tolist() == [0] * 4


def test_detections_rest_after_waking():
    means = np.array([0, 0.9, 0.9, 0.9, 0, 0.9])
    assert metrics.detections(means, 0.5, 3).tolist() == [1, 5]
    assert metrics.detections(means, 0.95, 3).tolist() == []


def test_curve_and_limit():
    peaks = np.array([0.2, 0.6, 0.9, 0.95])
    ambient = [np.array([0.0, 0.7, 0.0, 0.0, 0.3])]
    curve = metrics.curve(peaks, ambient, 1.0, 1)
    cutoff, recall = curve.at_limit(0.0)
    assert cutoff == pytest.approx(0.7, abs=1 / 256)
    assert recall == 0.5
    assert curve.at_limit(1.0)[1] == 0.75
    assert curve.at_limit(2.0)[0] == pytest.approx(0.0)
