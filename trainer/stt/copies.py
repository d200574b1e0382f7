"""Copies of what a run made, where the flags of the original trainers want them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.corpora.readers import place_of
from trainer.log import log
from trainer.steps import fingerprint, read_record, write_record
from trainer.stt.language_model import PACKAGE
from trainer.stt.settings import SpeechSettings
from trainer.stt.testing import CLIPS

if TYPE_CHECKING:
    from trainer.stt.pipeline import Pipeline

MADE_BY = "made_by.json"
STATES = ("best_dev_checkpoint", "checkpoint")


def own_checkpoint(s: SpeechSettings) -> Path | None:
    """What was in CHECKPOINT_DIR before this run, to start from; None if nothing was.

    It is kept under work/, as this run writes into CHECKPOINT_DIR: the same command given again
    finds its steps finished, or makes them again as they were.
    """
    folder, kept = s.checkpoint_dir, s.data_dir / "work" / "stt" / "starts"
    if folder is None or not any((folder / state).exists() for state in STATES):
        return None
    made = read_record(folder / MADE_BY)
    if made and {k: v for k, v in made.items() if k != "start"} == _maker(s):
        return kept / made["start"] if made["start"] else None
    target = kept / fingerprint(folder)
    if not target.exists():
        unfinished = target.with_suffix(".partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(folder, unfinished)
        unfinished.rename(target)
    return target


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


def write(pipeline: Pipeline, stage: str, whole: bool) -> None:
    """What a stage made: checkpoint and exports (`whole`: with scorer and card) to CHECKPOINT_DIR,
    SAVE_CHECKPOINT_DIR and EXPORT_DIR, tested clips to TEST_OUTPUT_FILE."""
    s = pipeline.run.settings
    if s.export_dir and stage in ("lm", "tune"):
        made = (pipeline.packed if stage == "lm" else pipeline.tuned) / PACKAGE
        _copy([made] if made.exists() else [], s.export_dir)
    if whole or stage == "export":
        exported = pipeline.exported
        start = own_checkpoint(s)
        record = _maker(s) | {"start": start.name if start else ""}
        for folder in filter(None, (s.checkpoint_dir, s.save_checkpoint_dir)):
            _copy(list((exported / "checkpoint").iterdir()), folder)
            write_record(folder / MADE_BY, record)
        if s.export_dir:
            own = ("step.json", "used")
            files = [p for p in exported.iterdir() if p.is_file() and p.name not in own]
            files += list(pipeline.carded.glob("*.md")) if whole else []
            files += [pipeline.scorer / PACKAGE] if whole and pipeline.scorer else []
            _copy(files, s.export_dir)
    if s.test_output_file and (whole or stage == "test"):
        s.test_output_file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pipeline.tested / CLIPS, s.test_output_file)
        log.info("Tested clips: %s", s.test_output_file)


def _copy(files: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copyfile(path, folder / path.name)
    log.info("Copied %d files to %s", len(files), folder)
