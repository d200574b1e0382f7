"""The programming languages: files, grammar, what is spoken for their nodes."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import UserError

if TYPE_CHECKING:
    from tree_sitter import Language as Grammar
    from tree_sitter import Parser, Query

TABLE = Path(__file__).with_name("languages.toml")
PLAIN = "default"  # English text


@dataclass(frozen=True)
class Language:
    """One language of languages.toml."""

    name: str
    extensions: tuple[str, ...]
    aliases: tuple[str, ...]
    comment: tuple[str, ...]
    block: str
    module: str
    function: str
    words: dict[str, list[str]]
    snippets: dict[str, list[str]]

    def __hash__(self) -> int:
        return hash(self.name)

    def has(self, path: str) -> bool:
        """Whether a file of this name is in the language."""
        name = path.rsplit("/", 1)[-1]
        stem, dot, suffix = name.rpartition(".")
        if not dot or not stem:  # bash: scripts without an extension; not LICENSE and the like
            return "" in self.extensions and not name.isupper() and not name.startswith(".")
        return f".{suffix.lower()}" in self.extensions


@cache
def table() -> dict[str, Language]:
    """All languages by name."""
    found = {}
    for name, given in tomllib.loads(TABLE.read_text(encoding="utf-8")).items():
        module, function = given.get("grammar", ("", ""))
        found[name] = Language(
            name,
            tuple(given["extensions"]),
            tuple(given.get("aliases", ())),
            tuple(given["comment"]),
            given.get("block", ""),
            module,
            function,
            given.get("words", {}),
            given["snippets"],
        )
    return found


def named(given: str) -> tuple[Language, ...]:
    """The languages of a list such as "python, javascript"; "all" or nothing: all.

    Raises UserError for a name that no language has.
    """
    names = [one for one in given.lower().replace(",", " ").split() if one]
    if not names or names == ["all"]:
        return tuple(table().values())
    known = {alias: one for one in table().values() for alias in (one.name, *one.aliases)}
    if unknown := [one for one in names if one not in known]:
        raise UserError(
            f"LANGUAGES: no grammar for {', '.join(unknown)}; there are {', '.join(table())}"
        )
    return tuple(dict.fromkeys(known[one] for one in names))


def of_file(path: str, languages: Iterable[Language]) -> Language | None:
    """The first language that a file's name belongs to."""
    return next((one for one in languages if one.has(path)), None)


@cache
def grammar(name: str) -> "Grammar":
    """The grammar of a language. Raises UserError where it is not installed."""
    from tree_sitter import Language as Grammar

    language = table()[name]
    try:
        module = import_module(language.module)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{name}: the grammar {language.module} is not installed; the train image has it"
        ) from error
    return Grammar(getattr(module, language.function)())


def parser(name: str) -> "Parser":
    """A new parser of a language: one parser must not be used by two threads. Raises UserError."""
    from tree_sitter import Parser

    return Parser(grammar(name))


@cache
def query(name: str) -> "Query":
    """Finds the nodes of a language that snippets are made of; captures bear the node's type."""
    from tree_sitter import Query

    return Query(grammar(name), " ".join(f"({node}) @{node}" for node in table()[name].snippets))
