"""Who may import whom, and which calls no file may contain; read from the source with `ast`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "kilnsense"
FILES = sorted(LIBRARY.rglob("*.py"))

RANKS = {
    "errors": 0,
    "parts": 1,
    "types": 1,
    "config": 1,
    "crew": 1,
    "seeds": 0,
    "process_name": 0,
    "csv_line": 0,
    "stamp": 0,
    "growing_wait": 0,
    "metric": 1,
    "image": 2,
    "classify": 2,
    "nets": 2,
    "render": 2,
    "segment": 3,
    "features": 3,
    "bundle": 3,
    "data": 4,
    "recogniser": 4,
    "live": 4,
    "record": 4,
    "assemble": 5,
    "golden": 5,
    "web": 5,
    "links": 5,
    "training": 6,
    "doctor": 6,
    "study": 7,
    "compare": 7,
    "label": 7,
    "monitor": 7,
    "cli": 8,
    "__main__": 9,
}

NEIGHBOURS = {("config", "parts")}
"""Who may import whom on one floor: the config hints at near matches as the tables of parts do."""

WITHOUT_TORCH = (
    "classify",
    "image",
    "segment",
    "features",
    "bundle",
    "recogniser",
    "golden",
    "record",
    "data",
    "doctor",
    "render",
    "label",
    "crew",
    "web",
    "live",
    "links",
    "monitor",
)
"""What the plant's computer runs; it has no torch."""

FORBIDDEN_MODULES = ("pickle", "dill", "joblib", "shelve", "marshal", "random")
FORBIDDEN_CALLS = (
    "torch.load",
    "torch.manual_seed",
    "torch.save",
    "cv2.imread",
    "cv2.setRNGSeed",
    "np.load",
    "np.save",
    "np.random.seed",
    "np.random.rand",
    "np.random.randn",
    "np.random.random",
    "np.random.randint",
    "np.random.choice",
    "np.random.normal",
    "np.random.uniform",
    "np.random.shuffle",
    "np.random.permutation",
    "yaml.load",
    "eval",
    "exec",
    "print",
)

FENCE = "torch.random.fork_rng("
"""A block in which the global seed may be set, because it is put back: some trunks take no generator."""


def home(path: Path) -> str:
    """The top-level part of the library that a file belongs to; "" for the package root."""
    first = path.relative_to(LIBRARY).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, wherever it stands; relative ones keep their dots.

    The version is the one name of the package root that is taken from inside: the root is in memory before
    any of its modules is, and the name is set before anything else.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            if name == "kilnsense":
                yield from ((node.lineno, f"kilnsense.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, name


def faults(path: Path, source: str) -> list[str]:
    """What a file imports or calls and may not."""
    part, found = home(path), []
    tree = ast.parse(source)
    for line, name in imports(tree):
        root, _, rest = name.partition(".")
        if name.startswith("."):
            found.append(f"line {line}: relative import {name}")
        elif root in FORBIDDEN_MODULES:
            found.append(f"line {line}: imports {root}")
        elif root == "torch" and part in WITHOUT_TORCH:
            found.append(f"line {line}: {part} imports torch")
        elif root == "kilnsense":
            other = rest.partition(".")[0]
            if other == "":
                found.append(f"line {line}: imports the package root")
            elif other not in RANKS and other != "__version__":
                found.append(f"line {line}: {other} has no rank")
            elif (
                other in RANKS
                and other != part
                and RANKS[other] >= RANKS[part]
                and (part, other) not in NEIGHBOURS
            ):
                found.append(f"line {line}: {part} ({RANKS[part]}) imports {other} ({RANKS[other]})")
    fenced = {
        id(call)
        for block in ast.walk(tree)
        if isinstance(block, ast.With) and ast.unparse(block.items[0]).startswith(FENCE)
        for call in ast.walk(block)
    }
    for call in ast.walk(tree):
        name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        if name in FORBIDDEN_CALLS and not (name == "torch.manual_seed" and id(call) in fenced):
            found.append(f"line {getattr(call, 'lineno', 0)}: calls {name}")
    return found


def test_every_part_has_a_rank() -> None:
    assert len(FILES) > 20
    assert {home(path) for path in FILES} - {""} <= RANKS.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_a_file_imports_and_calls_only_what_it_may(path: Path) -> None:
    if home(path):
        assert faults(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("image", "from kilnsense.segment.kmeans import x"),
        ("image", "from kilnsense.classify import x"),
        ("image", "def f():\n    import kilnsense.cli.main"),
        ("image", "from kilnsense import Frame"),
        ("parts", "from kilnsense.config import Config"),
        ("image", "import kilnsense"),
        ("image", "from kilnsense.odd import x"),
        ("image", "from . import colour"),
        ("classify", "import torch.nn"),
        ("nets", "import pickle"),
        ("nets", "from joblib import load"),
        ("nets", "torch.load('x')"),
        ("nets", "torch.manual_seed(0)"),
        ("nets", "with torch.random.fork_rng(devices=[]):\n    torch.load('x')"),
        ("image", "cv2.imread('x')"),
        ("render", "np.random.seed(0)"),
        ("render", "print(1)"),
    ],
)
def test_the_walk_finds_what_it_should(part: str, source: str) -> None:
    assert len(faults(LIBRARY / part / "x.py", source)) == 1


def test_the_walk_lets_pass_what_it_should() -> None:
    source = (
        "import torch\nimport kilnsense.errors\nfrom kilnsense.nets.heads import x\nnp.random.default_rng(0)"
    )
    assert faults(LIBRARY / "nets" / "x.py", source) == []
    fenced = "with torch.random.fork_rng(devices=[]):\n    torch.manual_seed(0)"
    assert faults(LIBRARY / "nets" / "x.py", fenced) == []
