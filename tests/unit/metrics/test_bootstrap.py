import numpy as np
import pytest

from trainer.metrics.bootstrap import bootstrap, poisson_rate, standard_error, wilson


def test_wilson_and_poisson_against_tables():
    assert wilson(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
    assert poisson_rate(0, 1.0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert poisson_rate(3, 2.0) == pytest.approx((0.309, 4.384), abs=1e-3)


def test_intervals_of_error_rates():
    counts = np.array([[1, 4], [0, 4], [2, 4], [1, 4]], float)
    low, high = bootstrap(counts)
    assert 0 <= low < 0.25 < high <= 1
    assert (high - low) / 4 == pytest.approx(standard_error(counts), rel=0.2)
