"""The root command: exit codes, one line for users' errors, tracebacks for bugs."""

import os
import subprocess
import sys
from importlib import import_module

import pytest
from click.testing import CliRunner

from trainer import PRODUCTS, cli, disk, signals
from trainer.errors import UserError


def run(monkeypatch, capsys, error):
    """(exit code, what is printed to stderr) of a command that raises an error."""

    def fail(data_dir):
        raise error

    monkeypatch.setattr(disk, "status", fail)
    monkeypatch.setattr(signals, "install", lambda: None)  # this process goes on
    monkeypatch.setattr(sys, "argv", ["trainer", "status"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a.wav: empty;\nrecord it again"), "ERROR: a.wav: empty; record it again\n"),
        (FileNotFoundError(2, "No such file or directory", "/a/b"), "ERROR: /a/b: No such file"),
        (PermissionError(13, "Permission denied", "/data/x"), "ERROR: /data/x cannot be written"),
        (MemoryError(), "ERROR: out of memory"),
    ],
)
def test_what_a_user_can_act_on_is_one_line(monkeypatch, capsys, error, line):
    code, printed = run(monkeypatch, capsys, error)
    assert code == 1
    assert printed.startswith(line)
    assert printed.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("operands could not be broadcast"), KeyError("x")])
def test_a_bug_is_a_traceback_and_where_to_report_it(monkeypatch, capsys, error):
    code, printed = run(monkeypatch, capsys, error)
    assert code == 1
    assert "Traceback (most recent call last)" in printed
    assert printed.splitlines()[-1] == cli.BUG


def test_a_connection_that_breaks_in_our_code_is_a_bug(monkeypatch, capsys):
    _, printed = run(monkeypatch, capsys, ConnectionResetError(104, "Connection reset by peer"))
    assert "Traceback" in printed


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("name", ["cli", "check"])
def test_each_product_has_commands_and_a_check(product, name):
    assert callable(getattr(import_module(f"trainer.{product}.{name}"), name))


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_product_has_help(product):
    help_of = CliRunner().invoke(cli.cli, [product, "--help"])
    assert help_of.exit_code == 0
    assert "Commands:" in help_of.stdout


def test_check_names_what_is_missing(tmp_path):
    missing = tmp_path / "missing"
    environment = {**os.environ, "DATA_DIR": str(missing)}
    command = [sys.executable, "-m", "trainer", "check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"ERROR: {missing} does not exist" in done.stderr
