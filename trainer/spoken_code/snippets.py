"""Whole constructs: "add function foo", "add if x is less than five", "add import os".

Of each, the words and, for models that write code, the code itself: what is not said is left out
of it, and a body becomes the language's empty block. After Serenade's add mappings (corpusgen).
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from trainer.spoken_code import languages, tokens
from trainer.spoken_code.forms import forms
from trainer.spoken_code.languages import Language
from trainer.spoken_code.lexer import lexemes
from trainer.spoken_code.speaking import said

if TYPE_CHECKING:
    from tree_sitter import Node

SPOKEN = 0.8  # share of nodes
BARE = 0.15  # without "add"
MODIFIERS = frozenset(
    """public private protected static final const async abstract export default override virtual
 readonly internal sealed inline extern unsafe pub open data suspend""".split()
)
# words that may stand in the code of a construct although nobody said them
KEYWORDS = frozenset(
    """begin catch class const def do done elif else elsif end enum except extends fi final for
 foreach func function fun fn if impl implements import in include interface let mixin mod module
 namespace new of package pass pub return static struct switch then throw trait try type unless
 until using var val void while with""".split()
)
WITH_MODIFIERS, WITH_TYPE, WITH_PARAMETERS, ARTICLE = 0.6, 0.7, 0.12, 0.01
LONGEST_HEADER = 160  # characters
BODIES = ("body", "consequence", "block")
RESULTS = ("return_type", "result")
ELSE_IF = ("elif", "elsif")
BRACES = ["SP", "{", "I", "CRSR", "D", "}"]
BLOCKS = {"block", "body_statement", "then", "do"}  # nodes of bodies without braces
BASES = ("superclasses", "superclass", "interfaces", "type_parameters")
# the list that a construct is added to, by what people call it; any other is a statement
CONTAINERS = {
    "parameter": "ParameterList", "argument": "ArgumentList", "decorator": "DecoratorList",
    "attribute": "AttributeList", "entry": "EntryList", "element": "EntryList",
    "method": "MemberList", "property": "MemberList", "field": "MemberList", "member": "MemberList",
    "constructor": "MemberList", "else": "ClauseList", "except": "ClauseList",
    "catch": "ClauseList", "rescue": "ClauseList",
}  # fmt: skip
STATEMENTS = "StatementList"


@dataclass(frozen=True)
class Construct:
    """What is said for a construct. `start`, `end`: its characters in the file; `code`: the tokens
    that write it, with the cursor, empty if it cannot be written from the words."""

    text: str
    start: int
    end: int
    code: tuple[str, ...]


@cache
def _heads() -> frozenset[str]:
    """First words of what constructs are called."""
    return frozenset(
        head.split()[0]
        for language in languages.table().values()
        for heads in language.snippets.values()
        for head in filter(None, heads)
    )


def container(phrase: str) -> str:
    """The list that a phrase adds to: "int parameter count" -> ParameterList."""
    head = next((word for word in phrase.split() if word in _heads()), "")
    return CONTAINERS.get(head, STATEMENTS)


def spoken(
    source: bytes, language: Language, rng: random.Random, typed: bool = False
) -> Iterator[Construct]:
    """The constructs of a file, in the order of their places. `typed`: with their code, without
    "add"; see speaking.Speaker."""
    from tree_sitter import QueryCursor

    tree = languages.parser(language.name).parse(source)
    captures = QueryCursor(languages.query(language.name)).captures(tree.root_node)
    places = sorted(
        (node.start_byte, -node.end_byte, kind, node)
        for kind, nodes in captures.items()
        for node in nodes
        if not node.has_error or node.child_count
    )
    for _, _, kind, node in places:
        if rng.random() < SPOKEN:
            found = _Reading(node, kind, source, language, rng, typed).construct()
            if found is not None:
                yield found


@dataclass
class _Reading:
    """One node as somebody might say it."""

    node: "Node"
    kind: str
    source: bytes
    language: Language
    rng: random.Random
    typed: bool

    def construct(self) -> Construct | None:
        """None if there is nothing to say."""
        head = self.rng.choice(self.language.snippets[self.kind])
        header = _header(self.node, self.source)
        if not header:
            return None
        name = _name(self.node, self.source)
        found = self._named(head, header, name) if name and head else self._plain(head, header)
        if found is None:
            return None
        words, code = found
        if self.rng.random() < ARTICLE and head and not self.typed:
            words.insert(0, "an" if head[0] in "aeiou" else "a")
        text = " ".join(filter(None, words))
        if not self.typed:
            add = "add " if self.rng.random() >= BARE else ""
            return Construct(add + text, self.node.start_byte, self.node.end_byte, ())
        code_tokens = self._tokens(code, text)
        return Construct(text, self.node.start_byte, self.node.end_byte, code_tokens)

    def _said(self, code: str) -> str:
        return said(code, self.language, self.rng, self.typed)

    def _named(self, head: str, header: str, name: str) -> tuple[list[str], str] | None:
        rng, words = self.rng, []
        given = self._deletions()
        modifiers = []
        for one in lexemes(header, self.language.name):
            if one.kind != "word" or one.text == name:
                break
            if one.text in MODIFIERS:
                modifiers.append(one.text)
        if modifiers and rng.random() < WITH_MODIFIERS:
            words += modifiers
        elif modifiers:
            given += [(m.start(), m.end()) for m in _words(header, modifiers)]
        kind = self.node.child_by_field_name("type")
        if kind is not None and kind.end_byte - kind.start_byte < 30 and rng.random() < WITH_TYPE:
            words.append(self._said(_text(kind, self.source)))
        words += [head, self._said(name)]
        value = self.node.child_by_field_name("value")
        parameters = self.node.child_by_field_name("parameters")
        if value is not None and value.end_byte - value.start_byte < 40:
            words += ["equals", self._said(_text(value, self.source))]
        elif parameters is not None:
            inside = _text(parameters, self.source)
            short = len(inside) < 60 and "\n" not in inside
            if short and rng.random() < WITH_PARAMETERS:
                words.append(self._said(inside))
            else:
                start = parameters.start_byte - self.node.start_byte
                given.append((start + 1, start + len(inside) - 1))
        return words, _without(header, given)

    def _plain(self, head: str, header: str) -> tuple[list[str], str] | None:
        body = header.rstrip(" {:;,")
        first, _, rest = body.partition(" ")
        if head and (first.lower().strip("(") in head.split() or first.lower() in ELSE_IF):
            body = rest
        body = body.strip()
        if body.startswith("(") and body.endswith(")"):
            body = body[1:-1]
        if self.kind.endswith("comment"):
            body = body.lstrip("#/*!<>- ")
            if not any(map(str.isalpha, body)):
                return None
        text = self._said(body)
        if self.typed and not text and body:
            return None
        return [head, text], header

    def _deletions(self) -> list[tuple[int, int]]:
        """Parts of the header that nobody says: types of results, base classes."""
        found, start = [], self.node.start_byte
        parameters = self.node.child_by_field_name("parameters")
        for field in RESULTS:
            part = self.node.child_by_field_name(field)
            if part is not None and parameters is not None:
                found.append((parameters.end_byte - start, part.end_byte - start))
        for field in BASES:
            part = self.node.child_by_field_name(field)
            if part is not None:
                found.append((part.start_byte - start, part.end_byte - start))
        return found

    def _tokens(self, header: str, text: str) -> tuple[str, ...]:
        """The code of a header with an empty block; empty if it holds words that were not said."""
        body = _body(self.node)
        if body is None:
            whole = self.node.end_byte - self.node.start_byte
            if (
                whole > LONGEST_HEADER
                or b"\n" in self.source[self.node.start_byte : self.node.end_byte]
            ):
                return ()
            block = [tokens.CURSOR]
        elif self.source[body.start_byte : body.start_byte + 1] == b"{":
            block = BRACES
        elif (self.language.block and "\n" in _text(body, self.source)) or body.type in BLOCKS:
            block = self.language.block.split()
        else:
            return ()
        found = tokens.encode(re.sub(" +", " ", header).strip()).names
        known = set(text.split()) | KEYWORDS
        known |= {short for short, spoken in forms().aliases.items() if spoken[0] in text}
        if any(n.islower() and n not in known for n in found):
            return ()
        return (*found, *block)


def _words(header: str, wanted: list[str]) -> Iterator[re.Match[str]]:
    return re.finditer(rf"\b({'|'.join(wanted)})\b ?", header)


def _without(text: str, parts: list[tuple[int, int]]) -> str:
    for start, end in sorted(parts, reverse=True):
        text = text[:start] + text[end:]
    return text


def _body(node: "Node") -> "Node | None":
    for field in BODIES:
        body = node.child_by_field_name(field)
        if body is not None and body.start_byte > node.start_byte:
            return body
    return None


def _header(node: "Node", source: bytes) -> str:
    """The first line of a node without its body."""
    body = _body(node)
    end = body.start_byte if body is not None else node.end_byte
    text = source[node.start_byte : end].decode("ascii", "ignore").strip().split("\n")[0]
    return text if len(text) <= LONGEST_HEADER else ""


def _name(node: "Node", source: bytes) -> str:
    """The name that a node declares; C and its kin hide it in declarators."""
    found = node.child_by_field_name("name")
    while found is None and (inner := node.child_by_field_name("declarator")) is not None:
        node, found = inner, inner.child_by_field_name("name")
        if found is None and not inner.children:
            found = inner
    text = _text(found, source) if found is not None else ""
    return text if len(text) < 60 and "\n" not in text else ""


def _text(node: "Node", source: bytes) -> str:
    return source[node.start_byte : node.end_byte].decode("ascii", "ignore")
