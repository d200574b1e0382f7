"""One run of the speech-to-text line, for the command line and for Python."""

import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from trainer import run as runs
from trainer.errors import UserError
from trainer.log import log
from trainer.settings import Loaded, load
from trainer.stt.settings import CONFORMER, SpeechSettings
from trainer.text import language as languages

TRANSFER = Path("/transfer-checkpoint")  # starting weights, if that is mounted
WHOLE = ("package", "train")  # stages that are the whole line
WAYS_OUT = (
    "-e KERAS_BACKEND=jax uses it, in an image built with ACCELERATOR=jax-cuda; "
    "-e CUDA_VISIBLE_DEVICES=-1 trains on the processor (make an4: half an hour on two cores)"
)


def resolve(
    options: Mapping[str, Any], settings_file: Path | None = None, whole: bool = True
) -> Loaded[SpeechSettings]:
    """The settings, with those of the language's folder. Raises UserError.

    `whole`: of the whole line, for which the image has a default language; single stages that need
    no recordings must not get one.
    """
    given = {name: value for name, value in options.items() if value is not None}
    read = partial(load, SpeechSettings, given, settings_file=settings_file)
    early = read(preset=None).settings
    image = os.environ.get("VOICEKILN_LANGUAGE")
    if image and whole and not (early.model_language or early.train_files):
        given["model_language"] = image
        early = read(preset=None).settings
    code = early.model_language
    if code and not early.train_files:
        folder = languages.find(code, early.data_dir)
        metadata = languages.variables(folder / "metadata.sh")
        for name in metadata:
            if not name.startswith(("METADATA_", "EXPORT_")):
                raise UserError(
                    f"{folder / 'metadata.sh'}: {name} is not METADATA_... or EXPORT_...; settings "
                    "belong in params.sh"
                )
        preset = languages.variables(folder / "params.sh") | metadata
        if early.model == "conformer":  # how a language trains is meant for DeepSpeech's network
            training = early.of("train")
            preset = {name: v for name, v in preset.items() if name.lower() not in training}
        loaded = read(preset=preset, preset_source=f"lang/{code}")
    else:  # the language's corpora, and so its licence, are not those of the files
        loaded = read()
    mounted = TRANSFER.is_dir() and any(TRANSFER.iterdir())
    if mounted and loaded.settings.load_checkpoint_dir is None:
        settings = loaded.settings.model_copy(update={"load_checkpoint_dir": TRANSFER})
        sources = {**loaded.sources, "load_checkpoint_dir": "the mount"}
        loaded = Loaded(settings, sources, loaded.ignored)
    return loaded


def check_conformer(loaded: Loaded[SpeechSettings], stage: str) -> None:
    """Raises UserError for stages and options that only DeepSpeech's network has."""
    if stage not in WHOLE:
        raise UserError(f"MODEL=conformer is made as a whole: {' or '.join(WHOLE)}, not {stage}")
    s = loaded.settings
    given = [name for name, source in loaded.sources.items() if source != "default"]
    idle = [name for name in given if name not in CONFORMER and not name.startswith("export_")]
    if lost := [name.upper() for name in idle if loaded.sources[name].startswith("flag")]:
        raise UserError(
            f"without effect for MODEL=conformer: {', '.join(lost)}; parameters of the network are "
            "given by NETWORK"
        )
    if idle:
        log.warning("without effect for MODEL=conformer: %s", ", ".join(map(str.upper, idle)))
    if s.load_checkpoint_dir:
        raise UserError(
            "a conformer does not start from LOAD_CHECKPOINT_DIR: to go on with a finished one, "
            "`trainer experiment continue RUN --epochs N`"
        )


def run(
    options: Mapping[str, Any], settings_file: Path | None = None, stage: str = "package"
) -> Any:
    """What a stage makes (pipeline.STAGES): a Result for `package`, else a path.

    Raises UserError, Stopped.
    """
    start = time.monotonic()
    loaded = resolve(options, settings_file, whole=stage in WHOLE)
    s = loaded.settings
    if s.model == "conformer":
        check_conformer(loaded, stage)
    label = f"stt {s.export_language or s.model_language}".strip()
    with runs.start(loaded, "stt", "stt", label) as current:
        from trainer.machine import check_gpu
        from trainer.stt import copies
        from trainer.stt.pipeline import STAGES, Pipeline

        check_gpu(s.keras_backend, WAYS_OUT)
        pipeline = Pipeline(current)
        if s.model == "conformer":
            from trainer.stt.conformer import ConformerLine

            found = ConformerLine(current, pipeline.material).delivered
        else:
            found = getattr(pipeline, STAGES[stage])
            copies.write(pipeline, stage, whole=stage in WHOLE)
        made = current.made or getattr(found, "made", False)
        figures = getattr(pipeline if stage == "test" else found, "figures", {})
    rows = [(name, seconds) for name, seconds in current.steps.seconds.items() if seconds]
    runs.log_summary(made, rows, time.monotonic() - start)
    log_figures(figures)
    folder = found.folder if stage in WHOLE else found
    log.info("%s: %s", "Model" if stage in WHOLE else "Made" if made else "Up to date", folder)
    return found


def log_figures(figures: Mapping[str, Any]) -> None:
    """One line a test set and decoder."""
    for name, decoders in figures.items():
        for decoder, found in decoders.items():
            low, high = found["wer_interval"]
            same = ""
            if "agreement" in found:
                same = f", same text as ours in {100 * found['agreement']:.0f} %"
            log.info(
                f"{name}, {decoder}: WER {100 * found['wer']:.1f} % (95 %: {100 * low:.1f} to "
                f"{100 * high:.1f}), CER {100 * found['cer']:.1f} %, {found['clips']} clips{same}"
            )
