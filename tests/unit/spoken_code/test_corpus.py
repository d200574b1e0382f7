"""Commands of source files."""

import random

import pytest

from trainer.errors import UserError
from trainer.spoken_code import corpus, grammar, languages, snippets
from trainer.spoken_code.lexer import lexemes, pairs

SOURCES = {
    "python": b"def area(width, height=2):\n    if width <= 0:\n        return None\n"
    b"    # the usual case\n    return width * height\n",
    "javascript": b"class Shape {\n  area(width) {\n"
    b"    return width === 0 ? null : width;\n  }\n}\n",
    "java": b"public class Shape {\n  private int size = 3;\n"
    b"  public int area(int width) { return width; }\n}\n",
    "cplusplus": b"#include <vector>\nint area(int width) {\n  return width << 2;\n}\n",
    "csharp": b"using System;\nclass Shape { public int Area(int width) { return width; } }\n",
    "bash": b'area() {\n  if [ -z "$1" ]; then\n    echo none\n  fi\n}\n',
    "go": b"package main\n\nfunc area(width int) int {\n\treturn width\n}\n",
    "html": b'<html><body><p class="big">Hello</p><br/></body></html>\n',
    "kotlin": b"fun area(width: Int): Int {\n    return width\n}\n",
    "ruby": b"def area(width)\n  return nil if width.zero?\n  width\nend\n",
    "rust": b"fn area(width: u32) -> u32 {\n    width\n}\n",
    "scss": b".shape {\n  width: 10px;\n  @include round(2px);\n}\n",
    "dart": b"int area(int width) {\n  return width;\n}\n",
    "default": b"The area is its width times its height.\n",
}


def lines_of(name, epoch=0, seed=1):
    language = languages.table()[name]
    return list(corpus.lines(SOURCES[name], f"{name}/file", language, epoch, seed))


@pytest.mark.parametrize("name", SOURCES)
def test_every_language_gives_commands(name):
    found = [line for epoch in range(12) for line in lines_of(name, epoch)]
    assert len(found) > 10
    for family, text in found:
        assert text == text.strip().lower(), text
        assert all(word.replace("'", "").isalpha() for word in text.split()), text
        assert family in {"filler", "text", *(one.family for one in grammar.commands().values())}
    said = " ".join(text for _, text in found)
    assert any(word in said for word in ("width", "hello", "area"))


def test_all_languages_are_tested():
    assert set(SOURCES) == set(languages.table())


def test_the_same_file_gives_the_same_commands():
    assert lines_of("python") == lines_of("python")
    assert lines_of("python") != lines_of("python", epoch=1)
    assert lines_of("python") != lines_of("python", seed=2)


def test_constructs_are_added():
    language = languages.table()["python"]
    said = set()
    for i in range(60):
        said |= {c.text for c in snippets.spoken(SOURCES["python"], language, random.Random(i))}
    assert {"add function area", "add parameter height equals two"} <= said
    assert any(one.startswith("add if width") for one in said)
    assert any(one.startswith("add return") for one in said)
    assert "add comment the usual case" in said


def test_modifiers_are_said():
    said = set()
    for i in range(60):
        rng = random.Random(i)
        said |= {c.text for c in snippets.spoken(SOURCES["java"], languages.table()["java"], rng)}
    assert "add public int method area" in said
    assert "add public class capital shape" in said or "add public class shape" in said


def test_about_seventy_commands_each_can_be_said():
    known = grammar.commands()
    assert len(known) >= 65
    rng = random.Random(0)
    for command in known.values():
        for _ in range(20):
            words = []
            command.draw(rng, lambda: "some text", words)
            assert words or command.name == "bare", command.name


def test_languages_by_name():
    names = [one.name for one in languages.named("js, C++,python")]
    assert names == ["javascript", "cplusplus", "python"]
    with pytest.raises(UserError, match="no grammar for cobol"):
        languages.named("python,cobol")
    assert len(languages.named("all")) == 14


def test_files_of_languages():
    wanted = tuple(languages.table().values())
    of = {p: languages.of_file(p, wanted) for p in ("a/b.tsx", "run", "LICENSE", ".env", "x.md")}
    names = {path: one.name if one else None for path, one in of.items()}
    assert names == {
        "a/b.tsx": "javascript", "run": "bash", "LICENSE": None, ".env": None, "x.md": "default",
    }  # fmt: skip


def test_type_brackets_enclose_and_comparisons_do_not():
    found = lexemes("List<String> x", "java")
    assert [one.text for one in found] == ["List", "<", "String", ">", "x"]
    assert pairs(found, generic=True) == {1: 3}
    assert pairs(lexemes("a < b && c > d", "java"), generic=True) == {}
