"""Whatever a process does, SIGTERM ends it in time with 143 and one line."""

import signal
import subprocess
import sys
import time

import pytest

START = "import sys, time; from trainer import cli, signals; signals.GRACE_SECONDS = 1.0\n"
RUN = "cli.cli.main = lambda **_: work()\nprint('ready', flush=True)\ncli.main()\n"
WORK = {
    "python": "def work():\n while True: time.sleep(0.01)\n",
    # unwinding that takes long
    "slow end": "def work():\n try: time.sleep(60)\n finally: time.sleep(30)\n",
    # a library that does not return to Python's instructions
    "library": "import ctypes\ndef work(): ctypes.CDLL(None).usleep.restype = None; "
    "[ctypes.CDLL(None).nanosleep(ctypes.byref((ctypes.c_long * 2)(30, 0)), None) "
    "for _ in range(9)]\n",
}


def started(kind):
    process = subprocess.Popen(
        [sys.executable, "-c", START + WORK[kind] + RUN],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    return process


@pytest.mark.parametrize("kind", sorted(WORK))
def test_one_signal_is_enough(kind):
    process = started(kind)
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=20)
    assert time.monotonic() - start < 10
    assert process.returncode == 143
    assert printed.count("\n") == 1
    assert "finished work is kept" in printed


def test_a_second_signal_ends_at_once_and_without_a_traceback():
    process = started("slow end")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "Traceback" not in printed
    assert "stopped at once" in printed
