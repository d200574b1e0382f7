"""Finished folders: once, whole, each with a name of its own."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from trainer.package import deliver


@pytest.fixture
def step(tmp_path):
    folder = tmp_path / "work" / "card" / "key"
    folder.mkdir(parents=True)
    (folder / "model").write_text("weights")
    return folder


def test_two_runs_deliver_once_and_what_a_killed_one_left_goes(step, tmp_path):
    output = tmp_path / "output"
    (output / ".2020-x.partial").mkdir(parents=True)

    def files():
        time.sleep(0.3)
        return {"model": step / "model", "logs": step}

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: deliver(step, output, "fr/FR", files), range(2)))
    assert found[0][0] == found[1][0]
    assert sorted(made for _, made in found) == [False, True]
    assert [p.name for p in output.iterdir()] == [found[0][0].name]
    assert (found[0][0] / "logs" / "model").read_text() == "weights"


def test_other_steps_of_the_same_second_and_what_was_removed_since(step, tmp_path):
    other = step.with_name("other")
    other.mkdir()
    files = lambda: {"model": step / "model"}  # noqa: E731
    folders = {deliver(where, tmp_path / "output", "x", files)[0] for where in (step, other)}
    assert len(folders) == 2
    folder, made = deliver(step, tmp_path / "output", "x", files, proof="model")
    assert not made
    (folder / "model").unlink()
    again, made = deliver(step, tmp_path / "output", "x", files, proof="model")
    assert made
    assert again != folder
