"""The record of a run: settings and their sources, versions, machine and steps, as JSON."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from trainer import __version__
from trainer.machine import machine, versions
from trainer.run import Run
from trainer.settings import S
from trainer.steps import Record


def record_of(run: Run[S], **more: Any) -> Record:
    """Everything needed to make the same model again."""
    values = {name: _plain(getattr(run.settings, name)) for name in run.settings.names()}
    steps = {}
    for folder in run.steps.all_folders:
        made = json.loads((folder / "step.json").read_text(encoding="utf-8"))
        steps[folder.parent.name] = {"key": folder.name, **made}
    return {
        "voicekiln": __version__,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": {k: {"value": v, "from": run.sources[k]} for k, v in values.items()},
        "versions": versions(),
        "machine": asdict(machine()),
        "steps": steps,
        **more,
    }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float, bool)) else str(value)
