"""`trainer speech-engine`: parse, call, print."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from trainer.options import settings_options
from trainer.speech_engine.settings import SpeechEngineSettings

EXISTING = click.Path(path_type=Path, exists=True)


@click.group()
def cli() -> None:
    """Speech engines: source code -> spoken commands -> an engine that understands them."""


def _stage(name: str, text: str) -> None:
    """`trainer speech-engine <name>`: the line up to that stage."""

    @cli.command(name, help=text)
    @settings_options(SpeechEngineSettings)
    def command(settings_file: Path | None, **options: Any) -> None:
        from trainer.speech_engine.line import run

        run(options, settings_file, name)


for _name, _text in (
    ("corpus", "Read the sources and write spoken commands."),
    ("lexicon", "Choose the words and their pronunciations; list the doubtful ones."),
    ("language-model", "Make the two language models."),
    ("graph", "Build the decoding graph, for acoustic models that need one."),
    ("evaluate", "Measure the engine on held-out commands."),
    ("export", "Put the engine's folder together, for all runtimes that it fits."),
    ("package", "All stages: what `train_speech_engine` runs."),
):
    _stage(_name, _text)


@cli.command()
@click.option("--engine", type=EXISTING, required=True, help="Folder of a finished engine.")
@click.option(
    "--hints",
    type=EXISTING,
    help="Text with identifiers that the engine may not know: a list, or code.",
)
@click.option("--hint", "more", multiple=True, help="An identifier; repeatable.")
@click.option("--hint-cost", type=float, help="How careful with hints; default: the engine's.")
@click.option(
    "--alternatives",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many to print.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a file, with costs.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def transcribe(
    engine: Path,
    hints: Path | None,
    more: tuple[str, ...],
    hint_cost: float | None,
    alternatives: int,
    as_json: bool,
    files: tuple[Path, ...],
) -> None:
    """Spoken commands of recordings, with alternatives. `-` reads a microphone, 16-bit samples at
    16 kHz: arecord -q -f S16_LE -r 16000 | trainer speech-engine transcribe --engine ENGINE -"""
    from trainer.speech_engine import hints as hinted
    from trainer.speech_engine import transcription

    words = [*(hinted.read(hints) if hints else ()), *more]
    failed = 0
    for one in transcription.transcribe(
        engine, list(files), words, hint_cost, alternatives, sys.stdin.buffer
    ):
        failed += bool(one.error)
        if one.error:
            click.echo(f"ERROR: {one.error}", err=True)
        elif as_json:
            click.echo(json.dumps(asdict(one)))
        else:
            texts = [a.text for a in one.alternatives] or [""]
            for text in texts:
                click.echo(f"{one.path}\t{text}")
    if failed:
        raise click.ClickException(f"{failed} of {len(files)} files could not be read")
