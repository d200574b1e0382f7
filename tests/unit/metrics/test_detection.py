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


def test_a_tail_tells_the_rate_of_longer_audio():
    """Events with exponential logits: a cutoff from two hours keeps its promise in 200."""
    rng = np.random.default_rng(0)

    def stream(hours):
        logits = rng.exponential(1.2, int(60 * hours)) - 3.0  # one sound a minute
        means = np.zeros((len(logits), 20))
        means[:, 10] = 1 / (1 + np.exp(-logits))
        return means.ravel()

    found = metrics.tail([stream(2.0)], 2.0, 5)
    assert 10 < found.events <= metrics.TAIL_EVENTS
    cutoff = found.cutoff(0.5)
    assert found.rate(cutoff) == pytest.approx(0.5)
    true = len(metrics.detections(stream(200.0), cutoff, 5)) / 200
    assert 0.25 < true < 1.0
    kept = [metrics.other_half([stream(0.5) for _ in range(8)], 4.0, 5, 0.5) for _ in range(20)]
    assert 0.25 < np.mean(kept) < 1.0
    quiet = metrics.tail([np.zeros(1000)], 1.0, 5)
    assert (quiet.events, quiet.rate(0.5)) == (0, 0.0)
    assert quiet.cutoff(0.5) < 0.01
