"""`trainer code-engine`: parse, call, print."""

from pathlib import Path
from typing import Any

import click

from trainer.code_engine.settings import CodeEngineSettings
from trainer.options import settings_options


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
