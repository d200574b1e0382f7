"""One run of the code engine's line, for the command line and for Python."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer import run as runs
from trainer.code_engine.settings import CodeEngineSettings
from trainer.log import log
from trainer.settings import load


def run(
    options: Mapping[str, Any], settings_file: Path | None = None, stage: str = "package"
) -> Any:
    """What a stage makes (pipeline.STAGES): a Result for `package`, else a path.

    Raises UserError, Stopped.
    """
    start = time.monotonic()
    loaded = load(CodeEngineSettings, options, settings_file=settings_file)
    s = loaded.settings
    label = f"code engine {s.language} {s.model}"
    with runs.start(
        loaded, "code_engine", "code-engine", label, networks=stage != "generate"
    ) as current:
        from trainer.code_engine.pipeline import STAGES, Pipeline

        pipeline = Pipeline(current)
        found = getattr(pipeline, STAGES[stage])
        made = current.made or getattr(found, "made", False)
        figures = pipeline.figures if stage in ("package", "evaluate") else {}
    rows = [(name, seconds) for name, seconds in current.steps.seconds.items() if seconds]
    runs.log_summary(made, rows, time.monotonic() - start)
    log_figures(figures)
    folder = found.folder if stage == "package" else found
    log.info("%s: %s", "Engine" if stage == "package" else "Made" if made else "Up to date", folder)
    return found


def log_figures(figures: Mapping[str, Any]) -> None:
    """A line a group of held-out pairs, and the baselines."""
    for name, found in figures.get("groups", {}).items():
        low, high = found["recall@1_interval"]
        log.info(
            f"{name}: recall@1/5/10 {found['recall@1']:.2f}/{found['recall@5']:.2f}/"
            f"{found['recall@10']:.2f} (95 % of @1: {low:.2f} to {high:.2f}), "
            f"{100 * found['valid']:.1f} % parse, {found['pairs']} pairs"
        )
    for name, share in figures.get("baselines", {}).items():
        log.info("baseline, %s: %.2f", name, share)
    if found := figures.get("latency"):
        log.info("answers: median %.0f ms, 99 %% within %.0f ms", found["p50_ms"], found["p99_ms"])
