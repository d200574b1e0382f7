"""Functions in a process with another backend of Keras."""

import pytest

from trainer.errors import UserError
from trainer.workers import in_backend

import keras  # isort: skip  (here, so that the child imports it before the function runs)


def note(path):
    path.write_text(keras.backend.backend())


def test_the_function_runs_on_that_backend(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    for name in ("jax", "tensorflow"):
        in_backend(name, note, tmp_path / name)
        assert (tmp_path / name).read_text() == name


def test_a_library_that_is_not_installed():
    with pytest.raises(UserError, match="KERAS_BACKEND=nothing: nothing is not in the Python"):
        in_backend("nothing", note, None)
