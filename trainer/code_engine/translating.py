"""`translate`: texts or recordings to what is printed."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer.code_engine import translation
from trainer.code_engine.translation import Engines
from trainer.errors import UserError
from trainer.programs import run
from trainer.spoken_code.pairs import AUTO_STYLE, PARSER
from trainer.spoken_code.place import Place

HEARD = 10  # alternatives of the recogniser


@dataclass(frozen=True)
class Printed:
    """What came of one text or recording."""

    text: str
    tree: str = ""
    alternatives: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    def as_json(self) -> str:
        """One line."""
        return json.dumps({k: v for k, v in asdict(self).items() if k != "error"})

    def as_text(self, count: int) -> str:
        """The code as it is; of several alternatives a line each, with costs; else the tree."""
        if not self.alternatives:
            return self.tree
        if count == 1:
            return str(self.alternatives[0]["code"])
        return "\n".join(
            f"{one['cost']:.2f}\t{'valid' if one['valid'] else 'not valid'}\t"
            f"{json.dumps(one['code'])[1:-1]}"
            for one in self.alternatives
        )


@dataclass(frozen=True)
class Loaded:
    """Engines and the place that code is for."""

    folders: list[Path]
    context: str
    given_language: str
    count: int

    @cached_property
    def engines(self) -> Engines:
        """Loaded. Raises UserError."""
        return Engines(self.folders)

    @cached_property
    def language(self) -> str:
        """As given, or that of the auto-style engine. Raises UserError."""
        if self.given_language or self.engines.perhaps(PARSER):
            style = self.engines.perhaps(AUTO_STYLE, self.given_language)
            return self.given_language or (style.languages[0] if style else "")
        return self.engines.of(AUTO_STYLE).languages[0]

    @cached_property
    def place(self) -> Place:
        """Raises UserError."""
        return Place.given(self.context) if self.context else Place("")

    def of_texts(self, texts: Iterable[str]) -> Iterator[Printed]:
        """One by one; an error of one text does not stop the others."""
        language, place = self.language, self.place
        for text in texts:
            try:
                found = translation.answer(self.engines, text, place, language, self.count)
            except UserError as error:
                yield Printed(text, error=f"{text[:60]!r}: {error}")
                continue
            yield Printed(text, found.tree, [_plain(code) for code in found.alternatives])

    def of_recordings(self, engine: Path, files: Sequence[Path]) -> Iterator[Printed]:
        """Recognised by a speech engine, which runs as a program of its own. Raises UserError."""
        if not files:
            raise UserError("--speech-engine: give recordings")
        language, place = self.language, self.place
        if missing := [path for path in files if not path.is_file()]:
            raise UserError(f"{missing[0]}: no such file")
        command = [
            sys.executable, "-m", "trainer", "speech-engine", "transcribe", "--engine", str(engine),
            "--json", "--alternatives", str(HEARD),
        ]  # fmt: skip
        if self.context:  # names of the file may be said
            path = self.context if Path(self.context).exists() else self.context.split(":")[0]
            command += ["--hints", path]
        for line in run([*command, *map(str, files)]).splitlines():
            heard = json.loads(line)
            alternatives = [(one["text"], one["confidence"]) for one in heard["alternatives"]]
            found = translation.of_speech(self.engines, alternatives, place, language, self.count)
            shown = [_plain(one.code) | {"text": one.text, "cost": one.cost} for one in found]
            text = found[0].text if found else ""
            yield Printed(text, "", shown, "" if found else f"{heard['path']}: nothing recognised")


def _plain(code: translation.Code) -> dict[str, Any]:
    return asdict(code) | {"tokens": " ".join(code.tokens)}
