"""The root command: products, and what serves all of them. Errors become one line here."""

import io
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

import click

from trainer import PRODUCTS, __version__, signals
from trainer.errors import Stopped, UserError, from_system
from trainer.log import log
from trainer.options import Product, data_dir

BUG = (
    "This is a bug: report it with the lines above at https://github.com/voicekiln/voicekiln/issues"
)


def main() -> None:
    """Run the command line. Exit codes: 1 for errors, 2 for usage, 143 when stopped."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
    for stream in (sys.stdout, sys.stderr):  # file names may be bytes that are not UTF-8
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    signals.install()
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (Stopped, KeyboardInterrupt, click.Abort) as stop:
        signals.leave(str(stop))
    except Exception as error:
        _exit_with(error)


def _exit_with(error: Exception) -> None:
    """One line for what the user can act on; a traceback for a bug."""
    if isinstance(error, (OSError, MemoryError)):
        error = from_system(error) or error
    if isinstance(error, UserError) and not os.environ.get("VOICEKILN_TRACEBACK"):
        click.echo(f"ERROR: {' '.join(str(error).split())}", err=True)
        log.debug("traceback", exc_info=error)
    else:
        traceback.print_exception(error)
        click.echo(BUG, err=True)
        log.debug("bug", exc_info=error)
    sys.exit(1)


NAMES = {
    "help_option_names": ["-h", "--help"],
    "token_normalize_func": lambda name: name.replace("_", "-"),
}


@click.group(context_settings=NAMES)
@click.version_option(__version__)
def cli() -> None:
    """Train voice models that run in the clients you already have."""


@cli.command()
def check() -> None:
    """Test the major parts of this installation and print what was found."""
    from trainer import machine

    checks = [machine.check, *(import_module(f"trainer.{p}.check").check for p in PRODUCTS)]
    for part in checks:
        for line in part():
            click.echo(line)


@cli.command()
@data_dir
def status(data_dir: Path) -> None:
    """List the steps under /data/work: label, state, size, age."""
    from trainer.disk import status as run

    for line in run(data_dir):
        click.echo(line)


@cli.command()
@data_dir
@click.option("--older-than-days", type=float, default=0.0, help="Only steps unused for this long.")
@click.option("--phrase", help="Only steps of this phrase or language.")
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
def clean(data_dir: Path, older_than_days: float, phrase: str | None, dry_run: bool) -> None:
    """Free disk: remove intermediate steps (made again when needed); models in output/ stay."""
    from trainer.disk import clean as run

    for line in run(data_dir, older_than_days, phrase, dry_run):
        click.echo(line)


for _product in PRODUCTS:
    cli.add_command(Product(_product))
