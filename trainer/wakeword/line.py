"""One run of the wake word line, for the command line and for Python."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer import run as runs
from trainer.log import log
from trainer.settings import load
from trainer.wakeword import phrases
from trainer.wakeword.settings import WakeWordSettings

WAYS_OUT = (
    "-e KERAS_BACKEND=jax trains wake words on it, -e CUDA_VISIBLE_DEVICES=-1 on the processor"
)


def run(
    phrase: str,
    title: str,
    options: Mapping[str, Any],
    settings_file: Path | None = None,
    stage: str = "train",
) -> Any:
    """What a stage makes (pipeline.STAGES): a Result for `train`. Raises UserError, Stopped."""
    start = time.monotonic()
    loaded = load(WakeWordSettings, options, settings_file=settings_file)
    s = loaded.settings
    phrase = phrases.clean(phrase)
    phrases.check_title(phrase, title)
    title = " ".join((title or phrases.title(phrase)).split())
    with runs.start(loaded, "wakeword", phrases.slug(phrase, s.language), phrase) as current:
        from trainer.machine import check_gpu
        from trainer.wakeword.pipeline import STAGES, Pipeline

        if s.quick:
            log.info(
                f"--quick: {s.samples} samples, {s.speech_hours:g} h of other speech, "
                f"{s.training_steps} steps: a first look; expect more false accepts than from "
                "a full run"
            )
        log.info("===== Training '%s' as %s =====", phrase, title)
        check_gpu(s.keras_backend, WAYS_OUT)
        pipeline = Pipeline(current, phrase, title)
        pipeline.given.check()
        result = getattr(pipeline, STAGES[stage])
    made = result.made if stage == "train" else current.made
    rows = [row for row in pipeline.summary_rows() if row[1] or stage == "train"]
    runs.log_summary(made, rows, time.monotonic() - start)
    if s.cleanup_work_dir and stage == "train":
        current.steps.clean()
    return result
