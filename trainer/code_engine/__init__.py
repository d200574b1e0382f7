"""Code engines: source code -> models that turn spoken commands into code.

from trainer import code_engine

result = code_engine.train(model="auto-style", language="python", sources="data/repos")
for code in code_engine.translate(result.folder, "return one", context="file.py:12"):
    print(code.code, code.cost)
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.code_engine.pipeline import Result
    from trainer.code_engine.translation import Code


def train(settings_file: str | PathLike[str] | None = None, **settings: Any) -> Result:
    """Make an engine: what `train_code_engine` does, with the same settings and errors.

    `settings`: as in docs/settings.md, in small letters. Raises UserError. Scripts need
    `if __name__ == "__main__":`, as worker processes import them.
    """
    from trainer.code_engine.line import run

    return run(settings, Path(settings_file) if settings_file else None)


def translate(
    engine: str | PathLike[str], text: str, context: str = "", alternatives: int = 5
) -> list[Code]:
    """Code for a spoken text, the best first. `context`: file, file:line or file:line:column.

    Raises UserError.
    """
    from trainer.code_engine.engine import Engine
    from trainer.code_engine.translation import translate as run
    from trainer.spoken_code.place import Place

    loaded = Engine(Path(engine))
    place = Place.given(context) if context else Place("")
    return run(loaded, text, place, loaded.languages[0], alternatives)
