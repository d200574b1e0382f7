"""Copies of what a run made, where the flags of the original trainers want them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.corpora.readers import place_of
from trainer.log import log
from trainer.steps import read_record, write_record
from trainer.stt.language_model import PACKAGE
from trainer.stt.settings import SpeechSettings
from trainer.stt.testing import CLIPS

if TYPE_CHECKING:
    from trainer.stt.pipeline import Pipeline

MADE_BY = "made_by.json"
STATES = ("best_dev_checkpoint", "checkpoint")


def own_checkpoint(s: SpeechSettings) -> Path | None:
    """CHECKPOINT_DIR if there is a checkpoint of another run in it, to start from."""
    folder = s.checkpoint_dir
    if folder is None or not any((folder / state).exists() for state in STATES):
        return None
    if read_record(folder / MADE_BY) == _maker(s):
        return None  # of this very run: its steps are finished, or are made again as they were
    return folder


def _maker(s: SpeechSettings) -> dict[str, Any]:
    """What tells runs apart that write to one CHECKPOINT_DIR."""
    files = {}
    for names in (s.train_files, s.dev_files):
        for name in filter(None, map(str.strip, names.split(","))):
            path = place_of(name)[1]
            found = path.stat() if path.is_file() else None
            files[name] = [found.st_size, found.st_mtime_ns] if found else []
    made = {"settings": s.of("train"), "language": s.model_language, "files": files}
    return dict(json.loads(json.dumps(made, default=str)))


def write(pipeline: Pipeline, exports: bool, whole: bool) -> None:
    """Checkpoint and exports (`whole`: with scorer and card) to CHECKPOINT_DIR, SAVE_CHECKPOINT_DIR
    and EXPORT_DIR; the tested clips to TEST_OUTPUT_FILE unless only exports were asked for."""
    s = pipeline.run.settings
    if exports or whole:
        exported = pipeline.exported
        for folder in filter(None, (s.checkpoint_dir, s.save_checkpoint_dir)):
            _copy(list((exported / "checkpoint").iterdir()), folder)
            write_record(folder / MADE_BY, _maker(s))
        if s.export_dir:
            own = ("step.json", "used")
            files = [p for p in exported.iterdir() if p.is_file() and p.name not in own]
            files += list(pipeline.carded.glob("*.md")) if whole else []
            files += [pipeline.scorer / PACKAGE] if whole and pipeline.scorer else []
            _copy(files, s.export_dir)
    if s.test_output_file and not exports:
        s.test_output_file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pipeline.tested / CLIPS, s.test_output_file)
        log.info("Tested clips: %s", s.test_output_file)


def _copy(files: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copyfile(path, folder / path.name)
    log.info("Copied %d files to %s", len(files), folder)
