"""Whole constructs: "add function foo", "add if x is less than five", "add import os"."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainer.spoken_code import languages
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
WITH_MODIFIERS, WITH_PARAMETERS, ARTICLE = 0.6, 0.12, 0.01
LONGEST_HEADER = 160  # characters
BODIES = ("body", "consequence", "block")


def spoken(source: bytes, language: Language, rng: random.Random) -> Iterator[str]:
    """What is said for the constructs of a file, in the order of their places."""
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
        if rng.random() < SPOKEN and (text := _construct(node, kind, source, language, rng)):
            yield text


def _construct(
    node: "Node", kind: str, source: bytes, language: Language, rng: random.Random
) -> str:
    head = rng.choice(language.snippets[kind])
    header = _header(node, source)
    if not header:
        return ""
    words: list[str] = []
    if rng.random() >= BARE:
        words.append("add")
    if rng.random() < ARTICLE and head:
        words.append("an" if head[0] in "aeiou" else "a")
    name = _name(node, source)
    if name and head:
        modifiers = []
        for one in lexemes(header, language.name):
            if one.kind != "word" or one.text == name:
                break
            if one.text in MODIFIERS:
                modifiers.append(one.text)
        if modifiers and rng.random() < WITH_MODIFIERS:
            words += modifiers
        words += [head, said(name, language, rng)]
        value = node.child_by_field_name("value")
        if value is not None and value.end_byte - value.start_byte < 40:
            words += ["equals", said(_text(value, source), language, rng)]
        elif rng.random() < WITH_PARAMETERS:
            parameters = node.child_by_field_name("parameters")
            if parameters is not None and parameters.end_byte - parameters.start_byte < 60:
                words.append(said(_text(parameters, source), language, rng))
    else:
        body = header.rstrip(" {:;,")
        first, _, rest = body.partition(" ")
        keyword = first.lower().strip("(") in head.split() or first.lower() in ("elif", "elsif")
        if head and keyword:
            body = rest
        body = body.strip()
        if body.startswith("(") and body.endswith(")"):
            body = body[1:-1]
        if kind.endswith("comment"):
            body = body.lstrip("#/*!<>- ")
            if not any(map(str.isalpha, body)):
                return ""
        words += [head, said(body, language, rng)]
    return " ".join(filter(None, words))


def _header(node: "Node", source: bytes) -> str:
    """The first line of a node without its body."""
    end = node.end_byte
    for field in BODIES:
        body = node.child_by_field_name(field)
        if body is not None and body.start_byte > node.start_byte:
            end = min(end, body.start_byte)
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
