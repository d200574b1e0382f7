"""The record of a run: settings and their sources, versions, machine, steps, fingerprints of the user's data."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainer import __version__
from trainer.machine import machine, versions
from trainer.settings import Loaded
from trainer.steps import Steps


def record(loaded: Loaded, steps: Steps, **more: Any) -> dict[str, Any]:
    """Everything needed to make the same model again."""
    return {
        "voicekiln": __version__,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": {k: {"value": v if v is None or isinstance(v, (int, float, bool)) else str(v), "from": loaded.sources[k]}
                     for k, v in loaded.settings.model_dump().items()},
        "versions": versions(),
        "machine": asdict(machine()),
        "steps": {folder.parent.name: {"key": folder.name, **json.loads((folder / "step.json").read_text())} for folder in steps.all_folders},
        **more,
    }


def write(path: Path, told: dict[str, Any]) -> None:
    """As indented JSON."""
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
