"""The sizes that keep the library readable, measured with `ast`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "kilnsense"
FILES = sorted(LIBRARY.rglob("*.py"))

MOST_LINES = 300
MOST_BODY_LINES = 50
MOST_ARGUMENTS = 7
"""Of a function; not of a verb of the command line, whose arguments are its options."""

BANNED_NAMES = ("utils", "util", "common", "helpers", "misc", "base")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[tuple[str, Function]]:
    """(qualified name, node) of every function and method."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            if isinstance(node, Function):
                yield node.name, node
            yield from ((f"{node.name}.{name}", inner) for name, inner in functions(node))
        else:
            yield from functions(node)


def body_lines(node: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def arguments(node: Function) -> int:
    """Arguments without self and cls."""
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([argument for argument in given if argument.arg not in ("self", "cls")])


def undocumented(tree: ast.Module) -> list[str]:
    """Public classes, functions and methods without a docstring; overrides of frameworks count too."""
    missing = [] if ast.get_docstring(tree) else ["module"]
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            inside = node.body if isinstance(node, ast.ClassDef) else []
            public = [part for part in inside if isinstance(part, Function) and not part.name.startswith("_")]
            missing += [part.name for part in (node, *public) if not ast.get_docstring(part)]
    return missing


def faults(source: str, *, verbs: bool = False) -> list[str]:
    """What a file is too large or too silent in."""
    tree, found = ast.parse(source), []
    if (lines := len(source.splitlines())) > MOST_LINES:
        found.append(f"{lines} lines")
    for name, node in functions(tree):
        if (lines := body_lines(node)) > MOST_BODY_LINES:
            found.append(f"{name}: {lines} body lines")
        if (count := arguments(node)) > MOST_ARGUMENTS and not verbs:
            found.append(f"{name}: {count} arguments")
        if node.args.kwarg:
            found.append(f"{name}: **{node.args.kwarg.arg}")
    return found + [f"{name}: no docstring" for name in undocumented(tree)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_a_file_is_small_and_documented(path: Path) -> None:
    assert path.stem not in BANNED_NAMES
    assert faults(path.read_text(encoding="utf-8"), verbs=path.parent.name == "cli") == []


def test_the_measure_finds_what_it_should() -> None:
    body = "\n".join("    x = 1" for _ in range(MOST_BODY_LINES + 1))
    cases = {
        f'"""Doc."""\ndef _f():\n{body}': ["_f: 51 body lines"],
        '"""Doc."""\ndef _f(a, b, c, d, e, *, f, g, h): pass': ["_f: 8 arguments"],
        '"""Doc."""\nclass _C:\n    def f(self, a, b, c, d, e, f, g): pass': [],
        '"""Doc."""\ndef _f(**options): pass': ["_f: **options"],
        '"""Doc."""\nclass C:\n    """Doc."""\n    def f(self): pass': ["f: no docstring"],
        "def f(): pass": ["module: no docstring", "f: no docstring"],
        '"""Doc."""\n' + "\n" * MOST_LINES: [f"{MOST_LINES + 1} lines"],
    }
    for source, expected in cases.items():
        assert faults(source) == expected
