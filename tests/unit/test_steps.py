import errno
import json
import logging
import os
import subprocess
import sys
import time

import pytest

from trainer import steps as steps_module
from trainer.disk import alone, list_steps
from trainer.errors import UserError
from trainer.steps import fingerprint


def Steps(work, *arguments, **options):
    return steps_module.Steps(work, "product", *arguments, **options)


def write(text):
    def function(folder):
        (folder / "made").write_text(text)

    return function


def test_runs_once_and_again_only_for_other_parameters(tmp_path, caplog):
    caplog.set_level(logging.INFO, "trainer")
    logging.getLogger("trainer").propagate = True
    steps = Steps(tmp_path, label="phrase")
    first = steps.run("a", write("1"), {"x": 1})
    assert steps.run("a", write("2"), {"x": 1}) == first
    assert (first / "made").read_text() == "1"
    second = steps.run("a", write("3"), {"x": 2})
    assert second != first
    assert "x 1 -> 2" in caplog.text
    assert json.loads((second / "step.json").read_text())["params"] == {"x": 2}


def test_inputs_and_version_are_in_the_key(tmp_path):
    steps = Steps(tmp_path)
    a = steps.run("a", write("a"), {"x": 1})
    other = steps.run("a", write("a"), {"x": 2})
    keys = {
        steps.run("b", write("b"), {}, {"in": a}).name,
        steps.run("b", write("b"), {}, {"in": other}).name,
        steps.run("b", write("b"), {}, {"in": a}, version=2).name,
    }
    assert len(keys) == 3


def test_a_failed_step_is_not_finished_and_finds_its_own_work_again(tmp_path):
    def fails(folder):
        (folder / "half").write_text("kept")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Steps(tmp_path).run("a", fails)
    seen = []
    Steps(tmp_path).run("a", lambda folder: seen.append((folder / "half").read_text()))
    assert seen == ["kept"]


def test_redo_makes_it_again(tmp_path):
    Steps(tmp_path).run("a", write("1"))
    assert (Steps(tmp_path, redo=("a",)).run("a", write("2")) / "made").read_text() == "2"
    assert (Steps(tmp_path, redo=("all",)).run("a", write("3")) / "made").read_text() == "3"


def test_redo_makes_again_what_depends_on_it(tmp_path):
    def line(**options):
        steps = Steps(tmp_path, **options)
        made = [0]
        folder = None
        for name in "abc":
            folder = steps.run(
                name,
                lambda out, n=name: (made.append(n), write("1")(out)),
                inputs={"before": folder} if folder else {},
            )
        return "".join(made[1:])

    assert line() == "abc"
    assert line() == ""
    assert line(redo=("b",)) == "bc"


def test_what_a_run_uses_is_not_cleaned(tmp_path):
    steps = Steps(tmp_path)
    with pytest.raises(UserError, match="a run is using"), alone(tmp_path):
        pass
    del steps
    with alone(tmp_path):
        pass


def test_a_lost_record_is_reported(tmp_path):
    (Steps(tmp_path).run("a", write("1")) / "step.json").write_text("")
    assert [s.state for s in list_steps(tmp_path)] == ["damaged"]
    Steps(tmp_path).run("a", write("2"), params={"other": 1})


def test_redo_of_an_unknown_step_is_a_warning(tmp_path, caplog):
    steps = Steps(tmp_path, redo=("a", "trian"))
    steps.run("a", write("1"))
    steps.warn_of_unknown_redo()
    assert caplog.messages[-1] == "REDO: this run has no step trian; its steps: a"


def test_full_disk_is_one_line(tmp_path):
    def full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match="full"):
        Steps(tmp_path).run("a", full)


_OTHER = """
import sys, time
from pathlib import Path
from trainer.steps import Steps
def slow(folder):
    time.sleep(1.5)
    (folder / "by").write_text(sys.argv[2])
print((Steps(Path(sys.argv[1]), "product").run("a", slow) / "by").read_text())
"""


def test_two_runs_at_once_make_it_once(tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", _OTHER, str(tmp_path), name], stdout=subprocess.PIPE, text=True
        )
        for name in "xy"
    ]
    output = [run.communicate(timeout=60)[0].strip() for run in runs]
    assert output[0] == output[1]
    assert output[0] in ("x", "y")


def test_clean_leaves_what_is_shared(tmp_path):
    steps = Steps(tmp_path)
    own, shared = steps.run("own", write("1")), steps.run("shared", write("2"), shared=True)
    steps.clean()
    assert not own.exists()
    assert shared.exists()
    assert [s.name for s in list_steps(tmp_path)] == ["product/shared"]


def test_fingerprint_is_of_content(tmp_path):
    (tmp_path / "a").write_text("1")
    before = fingerprint(tmp_path)
    time.sleep(0.01)
    (tmp_path / "a").write_text("1")
    assert fingerprint(tmp_path) == before
    (tmp_path / "a").write_text("2")
    assert fingerprint(tmp_path) != before
