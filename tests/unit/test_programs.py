"""External programs: what they say, how long they take, how they fail."""

import logging
import time

import pytest

from trainer import programs
from trainer.programs import ProgramError, run


def test_says_what_it_is_at(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(programs, "REPORT_SECONDS", 0.2)
    (tmp_path / "given").write_text("hello")
    with caplog.at_level(logging.INFO, "trainer"):
        output = run(
            [
                "sh",
                "-c",
                "echo '=== 1/2 counts ===' >&2; sleep 1; "
                "echo '=== 2/2 writes ===' >&2; sleep 1; cat",
            ],
            stdin=tmp_path / "given",
            stages="=== (.*) ===",
        )
    assert output == "hello"
    output = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("sh: 1/2 counts, ") for line in output)
    assert output[-1].startswith("sh: 2/2 writes, ")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["sh", "-c", "echo why >&2; exit 3"], "sh: failed with exit code 3: why"),
        (["sleep", "60"], "sleep: not finished after 0.1 s"),
        (["no-such-program"], "no-such-program: not installed here"),
    ],
)
def test_failures_are_one_line_and_nothing_is_left_running(command, expected, monkeypatch):
    monkeypatch.setattr(programs, "REPORT_SECONDS", 0.2)
    start = time.monotonic()
    with pytest.raises(ProgramError) as error:
        run(command, 0.1)
    assert str(error.value) == expected
    assert time.monotonic() - start < 30
