"""Code engines: source code -> models that turn spoken commands into code.

from trainer import code_engine

result = code_engine.train(model="auto-style", language="python", sources="data/repos")
engine = code_engine.Engine([result.folder])
print(engine.translate("return one", context="file.py:12")[0].code)
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.code_engine.pipeline import Result


def train(settings_file: str | PathLike[str] | None = None, **settings: Any) -> Result:
    """Make an engine: what `train_code_engine` does, with the same settings and errors.

    `settings`: as in docs/settings.md, in small letters. Raises UserError. Scripts need
    `if __name__ == "__main__":`, as worker processes import them.
    """
    from trainer.code_engine.line import run

    return run(settings, Path(settings_file) if settings_file else None)
