"""Code as tokens of a model, and back: words and their case, digits, symbols, relative indentation.

The tokens are Serenade's (corpusgen; https://github.com/serenadeai/serenade), but indentation is
exact: `D` once for each level that ends, `I` once for each unit of indentation of the file, and
`SP` for columns beyond that.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SPACE, NEWLINE, INDENT, DEDENT, CAPITAL, CAPITALS = "SP", "NL", "I", "D", "C", "A"
CURSOR, CONTEXT, ENGLISH, DELIMITER, SNIPPET = "CRSR", "CTX", "ENG", "ASD", "SNIP_"
LINES = (NEWLINE, INDENT, DEDENT)
CONTRACTED = (
    r"[A-Za-z]+n't|(?:it|that|there|what|let|here)'s|[Ii]'m|(?:you|we|they|it)'(?:re|ve|ll)"
)
PIECES = re.compile(
    rf"\n[ \n]*|(?:{CONTRACTED})(?![A-Za-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|.", re.DOTALL
)
NOT_CODE = re.compile(r"[^\n\x20-\x7e]")
UNIT = 4  # columns, where a text has no indentation


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text. `starts`: the character that each begins at; `unit`: columns of one
    level of indentation."""

    names: list[str]
    starts: list[int]
    unit: int

    def at(self, character: int) -> int:
        """The number of the first token at or behind a character."""
        return bisect_left(self.starts, character)


def cleaned(text: str) -> str:
    """Printable ASCII with tabs expanded and no blanks at the ends of lines: what tokens keep."""
    plain = NOT_CODE.sub("", text.expandtabs(4))
    return "\n".join(line.rstrip(" ") for line in plain.split("\n"))


def unit_of(text: str) -> int:
    """Columns of one level of indentation: the most frequent step to the right."""
    steps: Counter[int] = Counter()
    before = 0
    for line in text.split("\n"):
        if line and not line.isspace():
            width = len(line) - len(line.lstrip(" "))
            if width > before:
                steps[width - before] += 1
            before = width
    common = [step for step, _ in steps.most_common() if step in (2, 3, 4, 8)]
    return common[0] if common else UNIT


def encode(text: str, unit: int | None = None, levels: Sequence[int] = (0,)) -> Tokens:
    """The tokens of a cleaned text. `levels`: columns of the open levels of indentation, for a
    text that is inserted somewhere."""
    unit = unit or unit_of(text)
    names: list[str] = []
    starts: list[int] = []
    stack = list(levels)
    for match in PIECES.finditer(text):
        piece, start = match[0], match.start()
        first = piece[0]
        if first == "\n":
            found = _line_tokens(piece, unit, stack)
        elif first.islower():
            found = [piece]
        elif first.isupper():
            if len(piece) > 1 and piece[1:].isupper():
                found = [CAPITALS, piece.lower()]
            else:
                found = [CAPITAL, piece.lower()]
        elif first == " ":
            found = [SPACE]
        else:
            found = [piece]
        names += found
        starts += [start] * len(found)
    return Tokens(names, starts, unit)


def _line_tokens(piece: str, unit: int, stack: list[int]) -> list[str]:
    """Of newlines and the blanks that the next line begins with; changes the stack."""
    lines = piece.split("\n")
    width, found = len(lines[-1]), [NEWLINE] * (len(lines) - 2)
    if width > stack[-1]:
        more = width - stack[-1]
        found += [INDENT] * (more // unit) or [NEWLINE]
        found += [SPACE] * (more % unit)
        stack.append(width)
    elif width < stack[-1]:
        while stack and stack[-1] > width:
            stack.pop()
            found.append(DEDENT)
        rest = width - (stack[-1] if stack else 0)
        found += [SPACE] * rest
        if rest or not stack:
            stack.append(width)
    else:
        found.append(NEWLINE)
    return found


def decode(names: Iterable[str], unit: int = UNIT, levels: Sequence[int] = (0,)) -> str:
    """The text of tokens; the inverse of `encode` with the same unit and levels. The cursor is
    a NUL character."""
    out: list[str] = []
    stack, case = list(levels), ""
    tokens = list(names)
    at = 0
    while at < len(tokens):
        name = tokens[at]
        at += 1
        if name in (CAPITAL, CAPITALS):
            case = name
            continue
        if name == SPACE:
            out.append(" ")
        elif name in LINES:
            count = 1
            while name != NEWLINE and at < len(tokens) and tokens[at] == name:
                count, at = count + 1, at + 1
            more = 0
            while at < len(tokens) and tokens[at] == SPACE:
                more, at = more + 1, at + 1
            if name == NEWLINE and at < len(tokens) and tokens[at] in LINES and not more:
                out.append("\n")  # a blank line
            else:
                out.append("\n" + " " * _width(name, count, more, unit, stack))
        elif name == CURSOR:
            out.append("\0")
        elif case == CAPITAL:
            out.append(name[:1].upper() + name[1:])
        elif case == CAPITALS:
            out.append(name.upper())
        else:
            out.append(name)
        case = ""
    return "".join(out)


def _width(name: str, count: int, more: int, unit: int, stack: list[int]) -> int:
    """Columns that the next line begins with; changes the stack."""
    if name == INDENT:
        stack.append((stack[-1] if stack else 0) + unit * count + more)
    elif name == DEDENT:
        del stack[max(0, len(stack) - count) :]
        if more or not stack:
            stack.append((stack[-1] if stack else 0) + more)
    elif more:
        stack.append(stack[-1] + more)
    return stack[-1]


def levels_at(text: str, unit: int) -> list[int]:
    """Open levels of indentation at the end of a text, as `encode` counts them."""
    stack, (_, *lines) = [0], text.split("\n")
    for number, line in enumerate(lines, 1):
        rest = line.lstrip(" ")
        if rest or number == len(lines):  # blank lines have no level
            _line_tokens("\n" + " " * (len(line) - len(rest)), unit, stack)
    return stack
