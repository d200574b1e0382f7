"""`trainer experiment`: parse, call, print."""

import os
from pathlib import Path
from typing import Any

import click

from trainer.experiment.settings import ExperimentSettings
from trainer.options import FOLDER, data_dir, settings_options

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
PAIR = "OLD=NEW"


@click.group()
def cli() -> None:
    """Experiments: train a network of the zoo or your own, compare, continue exactly."""


@cli.command()
@settings_options(ExperimentSettings)
def run(settings_file: Path | None, **options: Any) -> None:
    """Train a network of the zoo on a table of clips, evaluate it, and write its page."""
    from trainer.log import log, start_log
    from trainer.settings import load

    start_log()
    loaded = load(ExperimentSettings, options, settings_file=settings_file)
    for line in loaded.lines():
        if not line.endswith(" default"):
            log.info("  %s", line)
    _use(loaded.settings.keras_backend, loaded.settings.data_dir)
    from trainer.experiment.pipeline import run as train

    click.echo(train(loaded))


@cli.command("list")
@data_dir
def list_(data_dir: Path) -> None:
    """All runs, the oldest first: status, epochs, word error rate."""
    from trainer.experiment.pipeline import listed

    for line in listed(data_dir / "output"):
        click.echo(line)


@cli.command()
@data_dir
@click.argument("run")
def show(data_dir: Path, run: str) -> None:
    """One run (a part of its name is enough): settings, data, versions, figures."""
    from trainer.experiment.pipeline import shown

    for line in shown(run, data_dir / "output"):
        click.echo(line)


def _pairs(_: Any, __: Any, given: tuple[str, ...]) -> dict[str, str]:
    wrong = [one for one in given if "=" not in one]
    if wrong:
        raise click.BadParameter(f"'{wrong[0]}' is not {PAIR}")
    return dict(one.split("=", 1) for one in given)


roots = click.option(
    "--data-root", "roots", multiple=True, callback=_pairs, metavar=PAIR,
    help="Where a folder with data is now; repeatable.",
)  # fmt: skip


@cli.command("continue")
@data_dir
@click.option("--epochs", type=click.IntRange(1), help="More epochs, also for a finished run.")
@click.option(
    "--moved", multiple=True, callback=_pairs, metavar=PAIR,
    help="module:Class that was renamed or moved; repeatable.",
)  # fmt: skip
@click.option("--changed-data", is_flag=True, help="Go on though files have changed.")
@roots
@click.argument("run")
def continue_(
    data_dir: Path,
    epochs: int | None,
    moved: dict[str, str],
    changed_data: bool,
    roots: dict[str, str],
    run: str,
) -> None:
    """Go on with a run that was stopped, with all its parameters; or with more epochs."""
    _backend_of(run, data_dir)
    from trainer.experiment.pipeline import go_on

    click.echo(go_on(run, data_dir / "output", epochs, moved, roots, changed_data))


def _backend_of(run: str, data_dir: Path) -> None:
    """The library that the run began with."""
    from trainer.experiment.folders import find, read_record

    _use(read_record(find(run, data_dir / "output"))["backend"], data_dir)


def _use(backend: str, data_dir: Path) -> None:
    """Before Keras is imported. DATA_DIR: where decoded audio is kept."""
    from trainer.machine import check_backend

    check_backend(backend)
    os.environ["KERAS_BACKEND"] = backend
    os.environ["DATA_DIR"] = str(data_dir)


@cli.command()
@data_dir
@click.option("-o", "--output", type=FOLDER, help="Default: sherpa/ in the run's folder.")
@roots
@click.argument("run")
def export(data_dir: Path, output: Path | None, roots: dict[str, str], run: str) -> None:
    """A conformer as ONNX for sherpa-onnx, proved there on the validation clips."""
    from trainer.log import start_log

    start_log()
    _backend_of(run, data_dir)
    from trainer.experiment.pipeline import export as write

    click.echo(write(run, data_dir / "output", output, roots))


@cli.command()
@data_dir
@click.option(
    "-o", "--output", type=FOLDER, default=Path("comparison.html"), help="The page.",
    show_default=True,
)  # fmt: skip
@click.argument("runs", nargs=-1, required=True)
def compare(data_dir: Path, output: Path, runs: tuple[str, ...]) -> None:
    """Up to 20 runs in one page: settings that differ, curves, paired differences, texts."""
    from trainer.experiment.pipeline import compare as make

    click.echo(make(list(runs), data_dir / "output", output))


@cli.command()
@data_dir
@click.argument("run")
@click.argument("folder", type=FOLDER)
def restore(data_dir: Path, run: str, folder: Path) -> None:
    """Code, versions and manifests of a run into a folder, from which it can be repeated."""
    from trainer.experiment.folders import find, read_record
    from trainer.experiment.provenance import put_back

    found = find(run, data_dir / "output")
    for line in put_back(found, folder.absolute(), read_record(found)):
        click.echo(line)


@cli.command()
@data_dir
@click.option("--beam", type=click.IntRange(1, 1000), default=1, help="1: greedy.")
@click.option("--scorer", type=FILE, help="A .scorer file, for CTC networks.")
@click.option("--split", default="", help="Only rows of this split.")
@roots
@click.argument("run")
@click.argument("table", type=FILE)
def evaluate(
    data_dir: Path,
    beam: int,
    scorer: Path | None,
    split: str,
    roots: dict[str, str],
    run: str,
    table: Path,
) -> None:
    """Error rates of a run on a table of clips, with intervals, by speaker and length."""
    from trainer.log import start_log

    start_log()
    _backend_of(run, data_dir)
    from trainer.experiment.pipeline import evaluate as measure
    from trainer.models.speech.base import Decoding

    decoding = Decoding(max(beam, 64) if scorer and beam == 1 else beam, scorer)
    click.echo(measure(run, data_dir / "output", table, decoding, split, roots))


@cli.command()
@click.option("-o", "--output", type=FOLDER, required=True, help="CSV, or JSON lines (.jsonl).")
@click.option("--min-seconds", type=float, default=0.0, help="Shorter clips are left out.")
@click.option("--max-seconds", type=float, default=0.0, help="Longer ones; 0: no limit.")
@click.option("--splits/--no-splits", default=True, help="Give clips without a split one.")
@click.argument("sources", nargs=-1, required=True)
def manifest(
    output: Path, min_seconds: float, max_seconds: float, splits: bool, sources: tuple[str, ...]
) -> None:
    """Manifest of corpora and tables: an4:/data/sources/an4, clips.csv, other manifests."""
    from trainer.experiment.manifests import make
    from trainer.log import start_log

    start_log()
    for line in make(sources, output, min_seconds, max_seconds, splits):
        click.echo(line)
