"""One run of the speech engine's line, for the command line and for Python."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer import run as runs
from trainer.log import log
from trainer.settings import load
from trainer.speech_engine.settings import SpeechEngineSettings


def run(
    options: Mapping[str, Any], settings_file: Path | None = None, stage: str = "package"
) -> Any:
    """What a stage makes (pipeline.STAGES): a Result for `package`, else a path.

    Raises UserError, Stopped.
    """
    start = time.monotonic()
    loaded = load(SpeechEngineSettings, options, settings_file=settings_file)
    label = f"speech engine {loaded.settings.languages}"
    with runs.start(loaded, "speech_engine", "speech-engine", label, networks=False) as current:
        from trainer.speech_engine.pipeline import STAGES, Pipeline

        pipeline = Pipeline(current)
        found = getattr(pipeline, STAGES[stage])
        made = current.made or getattr(found, "made", False)
        figures = pipeline.figures if stage in ("package", "evaluate") else {}
    rows = [(name, seconds) for name, seconds in current.steps.seconds.items() if seconds]
    runs.log_summary(made, rows, time.monotonic() - start)
    log_figures(figures)
    folder = found.folder if stage == "package" else found
    if folder is not None:
        log.info(
            "%s: %s", "Engine" if stage == "package" else "Made" if made else "Up to date", folder
        )
    return found


def log_figures(figures: Mapping[str, Any]) -> None:
    """A line a set and recogniser, and one about hints."""
    for name, kinds in figures.get("sets", {}).items():
        for kind, found in kinds.items():
            low, high = found["wer_interval"]
            log.info(
                f"{name}, {kind}: WER {100 * found['wer']:.1f} % (95 %: {100 * low:.1f} to "
                f"{100 * high:.1f}), recall@1/5/10 {found['recall@1']:.2f}/{found['recall@5']:.2f}/"
                f"{found['recall@10']:.2f}, {found['clips']} clips"
            )
    if why := figures.get("why_none"):
        log.warning("not measured: %s; give recordings with --test-files", why)
    if hints := figures.get("hints"):
        log.info(
            f"unknown words: {100 * hints['found_without']:.0f} % found without hints, "
            f"{100 * hints['found']:.0f} % with; inserted wrongly in "
            f"{100 * hints['wrong']:.1f} % of {hints['others']} commands without them"
        )
