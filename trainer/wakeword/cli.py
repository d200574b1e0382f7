"""`trainer wakeword`: parse, call, print."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import click

from trainer.log import log, start_log
from trainer.options import FOLDER, data_dir, settings_options
from trainer.wakeword.settings import WakeWordSettings, language_tag


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
    log.info("ESPHome:  %s", result.manifest.with_suffix(".yaml"))
    log.info("Report:   %s", result.folder / "report.html")
    if result.made:  # the log to its last line
        current = next(h for h in log.handlers if isinstance(h, logging.FileHandler))
        shutil.copyfile(current.baseFilename, result.folder / "training.log")


@cli.command()
@click.option(
    "--samples", default=1, show_default=True, type=click.IntRange(1), help="How many an engine."
)
@click.option("--language", default="en", show_default=True)
@click.option("--engine", default="auto", show_default=True)
@data_dir
@click.argument("wake_word")
def sample(samples: int, language: str, engine: str, data_dir: Path, wake_word: str) -> None:
    """Let each engine say WAKE_WORD, to listen to in /data/work/test_sample."""
    from trainer.wakeword.samples import write

    start_log()
    write(wake_word, language_tag(language), engine, samples, data_dir)
    log.info("Play them on your host.")


@cli.command()
@click.option("--positives", type=FOLDER, help="Folder of recordings of the phrase.")
@click.option("--ambient", type=FOLDER, help="Folder of other audio: television, talk.")
@click.option("--cutoff", type=click.FloatRange(0, 1), help="Cutoff instead of the manifest's.")
@click.option("--window", type=click.IntRange(1), help="Window instead of the manifest's.")
@click.option("--report", "page", type=FOLDER, help="Also write an HTML page.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--workers", default=0, help="Worker processes; 0 means one per core.")
@click.argument("models", type=FOLDER, nargs=-1, required=True, metavar="MODEL...")
def evaluate(
    positives: Path | None,
    ambient: Path | None,
    cutoff: float | None,
    window: int | None,
    page: Path | None,
    as_json: bool,
    workers: int,
    models: tuple[Path, ...],
) -> None:
    """Measure each MODEL (.tflite): recall, false accepts per hour, DET curve, latency; several
    are compared in a table and one plot."""
    if positives is None and ambient is None:
        raise click.UsageError("give --positives, --ambient, or both")
    from trainer import wakeword
    from trainer.page import write
    from trainer.wakeword import report

    start_log()
    found = [wakeword.evaluate(m, positives, ambient, cutoff, window, workers) for m in models]
    figures = {str(model): one.figures() for model, one in zip(models, found, strict=True)}
    named = dict(zip(report.names_of(models), found, strict=True))
    if page:
        write(report.evaluation_page(named, list(figures.values())), page)
    if as_json:
        shown = figures if len(models) > 1 else figures[str(models[0])]
        click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return
    for name, one in zip(named, figures.values(), strict=True):
        for line in ([f"== {name}"] if len(models) > 1 else []) + report.evaluation_lines(one):
            click.echo(line)
    if len(models) > 1:
        for line in report.comparison_lines(named, list(figures.values())):
            click.echo(line)
    if page:
        click.echo(f"Report: {page}")


@cli.command("tune-cutoff")
@click.option("--ambient", type=FOLDER, required=True, help="Folder of audio without the phrase.")
@click.option("--positives", type=FOLDER, help="Folder of recordings of the phrase.")
@click.option(
    "--false-accepts-per-hour",
    "limit",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 100, min_open=True),
)
@click.option("--workers", default=0, help="Worker processes; 0 means one per core.")
@click.argument("model", type=FOLDER)
def tune_cutoff(
    ambient: Path, positives: Path | None, limit: float, workers: int, model: Path
) -> None:
    """Choose the cutoff of MODEL (.tflite) anew, from the audio of its room, and write it into its
    manifest; nothing is trained."""
    from trainer.machine import cores
    from trainer.wakeword.cutoff import tune
    from trainer.workers import Workers

    start_log()
    with Workers(workers or cores()) as pool:
        figures = tune(model, ambient, positives, limit, pool)
    click.echo(f"{figures['hours']:.2f} h of ambient audio; limit {limit:g} false accepts an hour")
    for name in ("old", "new"):
        at = figures[name]
        recall = (
            ", recall {:.3f} (95 %: {:.3f} to {:.3f})".format(at["recall"], *at["recall_interval"])
            if "recall" in at
            else ""
        )
        click.echo(
            f"{name} cutoff {at['cutoff']:.2f}: {at['false_accepts_per_hour']:.2g} false accepts "
            f"an hour expected{recall}"
        )
    click.echo(f"Written: {model.with_suffix('.json')}")


@cli.command("captured")
@click.option("--workers", default=0, help="Worker processes; 0 means one per core.")
@click.argument("model", type=FOLDER)
@click.argument("folder", type=FOLDER)
def sort_captured(workers: int, model: Path, folder: Path) -> None:
    """Sort clips that woke a device: MODEL (.tflite) writes FOLDER/captured.csv, with wake=yes or
    wake=no. Correct it, then train with --captured=FOLDER."""
    from trainer.machine import cores
    from trainer.wakeword.captured import sort
    from trainer.workers import Workers

    start_log()
    with Workers(workers or cores()) as pool:
        refused = sort(model, folder, pool)
    for one in refused:
        click.echo(f"rejected: {one.path}: {one.reason}", err=True)


@cli.command()
@click.option("--language", required=True, help="Language of the voices, such as de or pt-br.")
@click.option(
    "--source", envvar="PIPER_VOICES_URL", default="", help="A copy of Piper's files, by address."
)
@data_dir
@click.argument("names", nargs=-1)
def voices(language: str, source: str, data_dir: Path, names: tuple[str, ...]) -> None:
    """Fetch Piper's voices of a language for train_wake_word: those that are free, or NAMES.
    `generator` is the English model that mixes 904 speakers."""
    from trainer.wakeword.voices import set_up

    start_log()
    made = set_up(language_tag(language), names, data_dir / "tools", source)
    log.info(f"{len(made)} voices for '{language}' are in {data_dir / 'tools' / 'piper'}")


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
