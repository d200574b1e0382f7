"""A place in a file: what is around it, as models see it, and code put there."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trainer.errors import UserError
from trainer.spoken_code import languages, tokens
from trainer.spoken_code.languages import PLAIN
from trainer.spoken_code.pairs import Surroundings

GIVEN = re.compile(r"(?P<path>.+?)(?::(?P<line>\d+)(?::(?P<column>\d+))?)?", re.DOTALL)
LARGEST_BYTES = 2_000_000
OPENING = (":", "{", "(", "[")


@dataclass(frozen=True)
class Place:
    """The text before and behind a cursor; `replaced`: what new code stands instead of."""

    before: str
    behind: str = ""
    replaced: str = ""

    @classmethod
    def at(cls, text: str, line: int = 0, column: int | None = None) -> "Place":
        """The end of a line (from 1; 0: of the text), or a column of it (from 0). An empty line is
        indented like the one before. Raises UserError for what the text does not have."""
        lines = text.expandtabs(tokens.UNIT).split("\n")
        line = line or len(lines)
        if line > len(lines):
            raise UserError(f"the context has {len(lines)} lines, no line {line}")
        here = lines[line - 1]
        if column is not None and column > len(here):
            raise UserError(f"line {line} of the context has {len(here)} characters, no {column}")
        kept = here if column is None else here[:column]
        above = tokens.cleaned("\n".join(lines[: line - 1]))
        kept = tokens.NOT_CODE.sub("", kept)
        if not here and column is None:
            kept = " " * _indentation(above)
        behind = "" if column is None else here[column:]
        rest = "\n".join([tokens.NOT_CODE.sub("", behind), tokens.cleaned("\n".join(lines[line:]))])
        return cls(
            "\n".join([above, kept]) if line > 1 else kept, rest if line < len(lines) else behind
        )

    @classmethod
    def given(cls, text: str) -> "Place":
        """That of `file`, `file:line` or `file:line:column`. Raises UserError."""
        found = GIVEN.fullmatch(text)
        assert found is not None
        path = Path(text) if Path(text).exists() else Path(found["path"])
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        if path.stat().st_size > LARGEST_BYTES:
            raise UserError(f"{path}: larger than 2 MB, no source file")
        content = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
        line, column = (0, None) if path == Path(text) else (found["line"], found["column"])
        try:
            return cls.at(content, int(line or 0), int(column) if column else None)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    @cached_property
    def around(self) -> Surroundings:
        """The tokens before the place."""
        return Surroundings.of(self.before)

    def input(self, phrase: str, added: bool, size: int) -> list[str]:
        """What auto-style reads for a phrase here, with `size` tokens of context."""
        return self.around.input(phrase, len(self.around.tokens.names), size, added).split(" ")

    def context(self, size: int) -> list[str]:
        """What the contextual language model reads."""
        return self.around.before(len(self.around.tokens.names), size) or [tokens.NEWLINE]

    def code(self, names: list[str]) -> str:
        """Tokens as text that fits here."""
        unit = self.around.tokens.unit
        return tokens.decode(names, unit, tokens.levels_at(self.before, unit))

    def errors(self, code: str | None, language: str) -> int:
        """Nodes of the file that do not parse with code put here; None: with what is replaced."""
        text = self.before + (self.replaced if code is None else code) + self.behind
        return errors(text, language)


def _indentation(above: str) -> int:
    """Columns that an editor would indent a new line by."""
    lines = [line for line in above.split("\n") if line]
    if not lines:
        return 0
    deeper = tokens.unit_of(above) if lines[-1].endswith(OPENING) else 0
    return len(lines[-1]) - len(lines[-1].lstrip(" ")) + deeper


def errors(text: str, language: str) -> int:
    """Nodes that do not parse, or are missing."""
    if language == PLAIN:
        return 0
    root = languages.parser(language).parse(text.encode("ascii", "ignore")).root_node
    if not root.has_error:
        return 0
    found, waiting = 0, [root]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found += 1
        waiting += [child for child in node.children if child.has_error or child.is_missing]
    return found
