"""`trainer code-engine`: parse, call, print."""

import sys
from pathlib import Path
from typing import Any

import click

from trainer.code_engine.settings import CodeEngineSettings
from trainer.options import settings_options

EXISTING = click.Path(path_type=Path, exists=True)


@click.group()
def cli() -> None:
    """Code engines: source code -> models that turn spoken commands into code."""


def _stage(name: str, text: str) -> None:
    """`trainer code-engine <name>`: the line up to that stage."""

    @cli.command(name, help=text)
    @settings_options(CodeEngineSettings)
    def command(settings_file: Path | None, **options: Any) -> None:
        from trainer.code_engine.line import run

        run(options, settings_file, name)


for _name, _text in (
    ("generate", "Read the sources, and write and number pairs of spoken text and code."),
    ("train", "Train the model."),
    ("export", "Write the model for Marian and CTranslate2, and prove that they agree."),
    ("evaluate", "Measure the model on held-out pairs."),
    ("package", "All stages: what `train_code_engine` runs."),
):
    _stage(_name, _text)


engines_option = click.option(
    "--engine", "engines", type=EXISTING, multiple=True, required=True,
    help="Folder of a finished engine; repeatable: one of each kind and language.",
)  # fmt: skip
language_option = click.option("--language", default="", help="Of the code; default: the engine's.")


@cli.command()
@engines_option
@click.option(
    "--context", default="", help="Where the code goes: file, file:line or file:line:column."
)
@language_option
@click.option(
    "--alternatives", type=click.IntRange(1, 20), default=1, show_default=True,
    help="How many to print.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a text, with costs.")
@click.option(
    "--speech-engine", type=EXISTING, help="The texts are recordings: folder of a speech engine."
)
@click.argument("texts", nargs=-1)
def translate(
    engines: tuple[Path, ...],
    context: str,
    language: str,
    alternatives: int,
    as_json: bool,
    speech_engine: Path | None,
    texts: tuple[str, ...],
) -> None:
    """Code for spoken texts: arguments, or lines of the standard input. With --speech-engine, for
    recordings."""
    from trainer.code_engine import translating

    loaded = translating.Loaded(list(engines), context, language, alternatives)
    if speech_engine is not None:
        found = loaded.of_recordings(speech_engine, [Path(one) for one in texts])
    else:
        lines = texts or (line.strip() for line in sys.stdin if line.strip())
        found = loaded.of_texts(lines)
    failed = 0
    for one in found:
        failed += bool(one.error)
        if one.error:
            click.echo(f"ERROR: {one.error}", err=True)
        else:
            click.echo(one.as_json() if as_json else one.as_text(alternatives))
    if failed:
        raise click.ClickException(f"{failed} could not be translated")


@cli.command()
@engines_option
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 in a container.")
@click.option("--port", type=click.IntRange(1, 65535), default=17203, show_default=True)
@click.option("--threads", type=click.IntRange(1, 256), help="Answers at once; default: cores.")
@click.option(
    "--time-limit", type=click.FloatRange(0.01, 600), default=10.0, show_default=True,
    help="Seconds that an answer may take.",
)  # fmt: skip
def serve(
    engines: tuple[Path, ...], host: str, port: int, threads: int | None, time_limit: float
) -> None:
    """Serve /api/translate, /api/rescore, /api/parse and /api/status over HTTP until stopped."""
    from trainer.code_engine.serving import serve as run
    from trainer.log import start_log
    from trainer.machine import cores

    start_log()
    run(engines, host, port, threads or cores(), time_limit)
