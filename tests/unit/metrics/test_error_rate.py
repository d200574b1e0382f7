import numpy as np

from trainer.metrics.error_rate import edit_counts, edit_distance, error_kinds, error_rate


def test_edit_distance():
    assert edit_distance(["the", "cat", "sat"], ["the", "hat"]) == 2
    assert edit_distance("", "abc") == 3


def test_rates_of_words_and_characters():
    words, characters = edit_counts(["the cat", "go"], ["the hat", "go on"])
    assert words.tolist() == [[1, 2], [1, 1]]
    assert error_rate(words) == 2 / 3
    assert error_rate(characters) == (1 + 3) / 9
    assert np.array_equal(words[:, 1], [2, 1])


def test_kinds_of_errors():
    found = error_kinds(["the cat sat", "go"], ["the hat", "go on"])
    assert found == {"insertions": 1, "deletions": 1, "substitutions": 1}
