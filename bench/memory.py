"""Peak memory of stages: of this process and its children, sampled five times a second."""

import threading
from pathlib import Path


class Memory:
    """Samples resident memory; `peak()` gives the highest since the last call, in MB."""

    def __init__(self) -> None:
        self._own = self._all = 0.0
        self._stop = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            own, children = _resident("self"), sum(map(_resident, _children()))
            self._own, self._all = max(self._own, own), max(self._all, own + children)

    def peak(self) -> tuple[float, float]:
        """(this process, with all workers); starts anew."""
        found = self._own, self._all
        self._own = self._all = 0.0
        return found

    def stop(self) -> None:
        """No more samples."""
        self._stop.set()


def _resident(process: str) -> float:
    """MB of private and mapped memory that is in use; 0 for a process that has ended."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    anonymous = rows.get("RssAnon", "0 kB").split()[0]  # files mapped by many count in none
    return int(anonymous) / 1000


def _children() -> list[str]:
    found, waiting = [], ["self"]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            try:
                inside = task.read_text().split()
            except OSError:
                continue
            found += inside
            waiting += inside
    return found
