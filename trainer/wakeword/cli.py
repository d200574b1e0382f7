"""`trainer wakeword`: parse, call, print."""

import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import click

from trainer.log import log, start_log
from trainer.options import FOLDER, data_dir, settings_options
from trainer.wakeword.settings import WakeWordSettings


@click.group()
def cli() -> None:
    """Wake words: a phrase -> a streaming int8 .tflite and its manifest."""


def _stage(name: str, text: str) -> None:
    """`trainer wakeword <name> WAKE_WORD`: the line up to that stage."""

    @cli.command(name, help=text)
    @settings_options(WakeWordSettings)
    @click.argument("wake_word")
    @click.argument("title", required=False, default="")
    def command(wake_word: str, title: str, settings_file: Path | None, **options: Any) -> None:
        from trainer.wakeword.line import run

        result = run(wake_word, title, options, settings_file, name)
        if name == "train":
            _print_result(result)
        else:
            folders = result.items() if isinstance(result, dict) else [(name, result)]
            for part, folder in folders:
                log.info("%-24s %s", f"{part}:", folder)


for _name, _text in (
    ("synthesize", "Synthesize clips of WAKE_WORD, of confusable phrases and of other speech."),
    ("features", "Also read your recordings, augment all clips and compute features."),
    ("export", "Also train, and convert to a streaming int8 .tflite."),
    (
        "train",
        "Train WAKE_WORD, all stages; TITLE is the name that clients show (default: the phrase, "
        "capitalised).",
    ),
):
    _stage(_name, _text)


def _print_result(result: Any) -> None:
    log.info("Name:     %s", json.loads(result.manifest.read_text())["wake_word"])
    log.info("Model:    %s", result.model)
    log.info("Metadata: %s", result.manifest)
    log.info("Report:   %s", result.folder / "report.html")
    if result.made:  # the log to its last line
        current = next(h for h in log.handlers if isinstance(h, logging.FileHandler))
        shutil.copyfile(current.baseFilename, result.folder / "training.log")


@cli.command()
@click.option("--samples", default=1, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--language", default="en", show_default=True)
@click.option("--engine", default="auto", show_default=True)
@data_dir
@click.argument("wake_word")
def sample(samples: int, language: str, engine: str, data_dir: Path, wake_word: str) -> None:
    """Synthesize samples of WAKE_WORD to listen to, in /data/work/test_sample."""
    from trainer.audio.io import write_wav
    from trainer.wakeword import phrases, synthesis
    from trainer.wakeword.engines import usable_engines

    phrase = phrases.clean(wake_word)
    phrases.phonemes(phrase, language)
    start_log()
    plural = "" if samples == 1 else "s"
    log.info("===== Generating %d sample%s of '%s' =====", samples, plural, phrase)
    folder = data_dir / "work" / "test_sample"
    folder.mkdir(parents=True, exist_ok=True)
    engines, seed = usable_engines(language, engine), time.time_ns() % 1000
    plan = synthesis.SpeechPlan("phrase", phrase, language, engines, samples, seed)
    for number in range(samples):
        name = phrases.slug(phrase) + (f"_{number + 1}" if samples > 1 else "")
        write_wav(folder / f"{name}.wav", synthesis.speak_one(plan, number)[0])
        log.info("Sample available at %s", folder / f"{name}.wav")
    log.info("Play it on your host.")


@cli.command()
@click.option("--positives", type=FOLDER, help="Folder of recordings of the phrase.")
@click.option("--ambient", type=FOLDER, help="Folder of other audio: television, talk.")
@click.option("--cutoff", type=click.FloatRange(0, 1), help="Cutoff instead of the manifest's.")
@click.option("--window", type=click.IntRange(1), help="Window instead of the manifest's.")
@click.option("--report", "page", type=FOLDER, help="Also write an HTML page.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--workers", default=0, help="Worker processes; 0 means one per core.")
@click.argument("model", type=FOLDER)
def evaluate(
    positives: Path | None,
    ambient: Path | None,
    cutoff: float | None,
    window: int | None,
    page: Path | None,
    as_json: bool,
    workers: int,
    model: Path,
) -> None:
    """Measure MODEL (.tflite): recall, false accepts per hour, DET curve, latency."""
    if positives is None and ambient is None:
        raise click.UsageError("give --positives, --ambient, or both")
    from trainer import wakeword
    from trainer.page import write
    from trainer.wakeword import report

    start_log()
    evaluation = wakeword.evaluate(model, positives, ambient, cutoff, window, workers)
    figures = evaluation.figures()
    if page:
        write(report.evaluation_page(evaluation, figures, model.stem), page)
    if as_json:
        click.echo(json.dumps(figures, indent=1, ensure_ascii=False))
        return
    for line in report.evaluation_lines(figures):
        click.echo(line)
    if page:
        click.echo(f"Report: {page}")


@cli.command()
@click.option(
    "--cleanup-archives/--no-cleanup-archives",
    default=False,
    help="Remove archives once they are unpacked.",
)
@click.option(
    "--cleanup-intermediate-files/--no-cleanup-intermediate-files",
    default=False,
    help="Remove unpacked files once they are converted.",
)
@click.option("--catalogue", type=FOLDER, envvar="CATALOGUE", help="Another catalogue (TOML).")
@data_dir
@click.argument("names", nargs=-1)
def datasets(
    cleanup_archives: bool,
    cleanup_intermediate_files: bool,
    catalogue: Path | None,
    data_dir: Path,
    names: tuple[str, ...],
) -> None:
    """Download, verify, unpack and convert the training data sets (all, or NAMES)."""
    from trainer.machine import cores
    from trainer.wakeword.datasets import CATALOGUE, read_catalogue, set_up
    from trainer.workers import Workers

    start_log()
    known, folder = read_catalogue(catalogue or CATALOGUE), data_dir / "training_datasets"
    with Workers(cores()) as pool:
        set_up(known, names, folder, pool, cleanup_archives, cleanup_intermediate_files)
