"""A place in a file: what is around it, as models see it, and code put there."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import UserError
from trainer.spoken_code import languages, tokens
from trainer.spoken_code.languages import PLAIN
from trainer.spoken_code.pairs import Surroundings

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

GIVEN = re.compile(r"(?P<path>.+?)(?::(?P<line>\d+)(?::(?P<column>\d+))?)?", re.DOTALL)
LARGEST_BYTES = 2_000_000
NEAR = 12_000  # characters before a place that are made tokens
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
        lines = text.split("\n")
        line = line or len(lines)
        if line > len(lines):
            raise UserError(f"the context has {len(lines)} lines, no line {line}")
        here = lines[line - 1]
        if column is not None and column > len(here):
            raise UserError(f"line {line} of the context has {len(here)} characters, no {column}")
        above = tokens.cleaned("\n".join(lines[: line - 1]))
        kept = _plain(here if column is None else here[:column])
        if not here and column is None:
            kept = " " * _indentation(above)
        behind = "" if column is None else _plain(here[column:])
        below = tokens.cleaned("\n".join(lines[line:]))
        return cls(
            f"{above}\n{kept}" if line > 1 else kept,
            f"{behind}\n{below}" if line < len(lines) else behind,
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
    def _unit(self) -> int:
        return tokens.unit_of(self.before)

    @cached_property
    def around(self) -> Surroundings:
        """The tokens before the place, as far back as models look."""
        start = self.before.rfind("\n", 0, max(0, len(self.before) - NEAR))
        if start < 0:
            return Surroundings.of(self.before, self._unit)
        levels = tokens.levels_at(self.before[:start], self._unit)
        return Surroundings.of(self.before[start:], self._unit, levels)

    def input(self, phrase: str, added: bool, size: int) -> list[str]:
        """What auto-style reads for a phrase here, with `size` tokens of context."""
        return self.around.input(phrase, len(self.around.tokens.names), size, added).split(" ")

    def context(self, size: int) -> list[str]:
        """What the contextual language model reads."""
        return self.around.before(len(self.around.tokens.names), size) or [tokens.NEWLINE]

    def code(self, names: list[str]) -> str:
        """Tokens as text that fits here."""
        return tokens.decode(names, self._unit, self._levels)

    @cached_property
    def _levels(self) -> list[int]:
        return tokens.levels_at(self.before, self._unit)

    def errors(self, code: str | None, language: str) -> int:
        """Nodes of the file that do not parse with code put here; None: with what is replaced."""
        if language == PLAIN:
            return 0
        tree = self._tree(language)
        if code is None or code == self.replaced:
            return _errors(tree.root_node)
        edited = tree.copy()
        start = len(self.before)
        edited.edit(
            start, start + len(self.replaced), start + len(code), _point(self.before),
            _point(self.before + self.replaced), _point(self.before + code),
        )  # fmt: skip
        text = f"{self.before}{code}{self.behind}".encode("ascii")
        return _errors(languages.parser(language).parse(text, edited).root_node)

    def _tree(self, language: str) -> "Tree":
        if language not in self._trees:
            text = f"{self.before}{self.replaced}{self.behind}".encode("ascii")
            self._trees[language] = languages.parser(language).parse(text)
        return self._trees[language]

    @cached_property
    def _trees(self) -> "dict[str, Tree]":
        return {}


def _plain(part: str) -> str:
    """A part of a line as tokens keep it, with the blanks at its ends."""
    return tokens.NOT_CODE.sub("", part.expandtabs(tokens.UNIT))


def _point(text: str) -> tuple[int, int]:
    """Row and column of the end of a text."""
    return text.count("\n"), len(text) - text.rfind("\n") - 1


def _indentation(above: str) -> int:
    """Columns that an editor would indent a new line by."""
    lines = [line for line in above.split("\n") if line]
    if not lines:
        return 0
    deeper = tokens.unit_of(above) if lines[-1].endswith(OPENING) else 0
    return len(lines[-1]) - len(lines[-1].lstrip(" ")) + deeper


def _errors(root: "Node") -> int:
    """Nodes that do not parse, or are missing."""
    if not root.has_error:
        return 0
    found, waiting = 0, [root]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found += 1
        waiting += [child for child in node.children if child.has_error or child.is_missing]
    return found
