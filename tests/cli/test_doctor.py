"""`kilnsense doctor`: exit codes, the lines for people, the object for programs, and how light it is."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kilnsense.cli.main import run
from kilnsense.doctor import Asked, Finding

STORED = Path(__file__).parents[1] / "golden" / "bundle_format_1"
BROKEN = "opencv-python-headless " * 9
FINDINGS = {
    "well": Finding("python", "ok", "3.11.7, needed: >=3.11"),
    "odd": Finding("extra:train", "warn", "torch 1, needed: torch==2", 'pip install "kilnsense[train]"'),
    "two": Finding("opencv_wheel", "fail", "2 overwrite each other", "pip uninstall -y a b && pip install a"),
    "broken": Finding("truncated_jpeg", "fail", BROKEN, f"pip uninstall -y {BROKEN}"),
}

Show = Callable[..., int]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Runs the verb with made-up findings, by their names above."""

    def with_findings(*names: str, flags: tuple[str, ...] = ()) -> int:
        monkeypatch.setattr("kilnsense.doctor.examine", lambda _: iter([FINDINGS[one] for one in names]))
        return run([*flags[:1], "doctor", *flags[1:]])

    return with_findings


@pytest.mark.parametrize(
    ("names", "code", "last"),
    [
        (("well",), 0, "1 ok, 0 to look at, 0 failed"),
        (("well", "odd"), 0, "1 ok, 1 to look at, 0 failed"),
        (("broken", "odd"), 4, "kilnsense: doctor: something fails; do what is said below each FAIL"),
    ],
)
def test_the_exit_code_is_four_only_where_something_fails(
    names: tuple[str, ...], code: int, last: str, show: Show, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(*names) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1] == last


def test_people_read_lines_of_eighty_columns(show: Show, capsys: pytest.CaptureFixture[str]) -> None:
    show("well", "odd", "broken")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [
        "OK    python         3.11.7, needed: >=3.11",
        "WARN  extra:train    torch 1, needed: torch==2",
        '      fix: pip install "kilnsense[train]"',
    ]
    assert max(map(len, lines)) < 80
    broken = "\n".join(lines[3:-2])
    assert broken.startswith("FAIL  truncated_jpeg opencv-python-headless")
    assert broken.count("opencv-python-headless") == 18  # no name is torn apart
    assert broken.count("fix: ") == 1


def test_a_fix_of_two_commands_can_be_copied(show: Show, capsys: pytest.CaptureFixture[str]) -> None:
    show("two")
    assert capsys.readouterr().err.splitlines()[-4:-2] == [
        "      fix: pip uninstall -y a b &&",
        "           pip install a",
    ]


def test_programs_get_one_object(show: Show, capsys: pytest.CaptureFixture[str]) -> None:
    assert show("well", "broken", flags=("--quiet", "--json")) == 4
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert json.loads(said.out) == {
        "schema": "kilnsense.doctor/1",
        "ok": False,
        "counts": {"ok": 1, "warn": 0, "fail": 1},
        "findings": [
            {"name": "python", "state": "ok", "found": "3.11.7, needed: >=3.11", "fix": ""},
            {
                "name": "truncated_jpeg",
                "state": "fail",
                "found": BROKEN,
                "fix": f"pip uninstall -y {BROKEN}",
            },
        ],
    }


def test_the_options_arrive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Asked] = []
    monkeypatch.setattr("kilnsense.doctor.examine", lambda one: asked.append(one) or iter(()))
    assert run(["doctor"]) == 0
    assert run(["doctor", "--bundle", "b", "--source", "s", "--out", "o"]) == 0
    assert asked == [
        Asked(out=Path("runs")),
        Asked(out=Path("o"), bundle=Path("b"), source=Path("s")),
    ]


def test_an_altered_bundle_and_a_missing_folder_end_with_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(STORED, "bundle")
    Path("bundle/MODEL_CARD.md").write_text("other", encoding="utf-8")
    assert run(["doctor", "--bundle", "bundle", "--source", "none", "--json"]) == 4
    said = json.loads(capsys.readouterr().out)
    failed = {one["name"]: one["found"] for one in said["findings"] if one["state"] == "fail"}
    assert {"bundle", "source"} <= failed.keys()
    assert "MODEL_CARD.md" in failed["bundle"]
    assert failed["source"] == "none is not there"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


BASE_ONLY = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from kilnsense.cli.main import run
code = run({arguments!r})
print(code, *(set({heavy!r}) & sys.modules.keys()))
"""


def without(absent: tuple[str, ...], *arguments: str) -> tuple[str, list[str]]:
    """(what people read, [exit code, heavy modules in memory]) of a fresh interpreter that lacks modules."""
    heavy = ("torch", "torchvision", "timm", "albumentations", "matplotlib", "onnx", "optuna")
    script = BASE_ONLY.format(absent=absent, arguments=["doctor", *arguments], heavy=heavy)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr, done.stdout.split()


def test_the_base_installation_is_enough(tiny_bundle: Path, tiny_root: Path, tmp_path: Path) -> None:
    absent = ("torch", "torchvision", "timm", "albumentations", "matplotlib", "onnx", "optuna")
    given = ("--bundle", str(tiny_bundle), "--source", str(tiny_root), "--out", str(tmp_path))
    said, (code, *heavy) = without(absent, *given)
    assert (code, heavy) == ("0", []), said
    assert "OK    judging " in said


def test_torch_is_not_loaded_where_it_is_installed(tmp_path: Path) -> None:
    said, (code, *heavy) = without((), "--out", str(tmp_path))
    assert (code, heavy) == ("0", []), said


@pytest.mark.parametrize("module", ["numpy", "cv2", "onnxruntime", "yaml", "sklearn", "sqlite3"])
def test_a_package_that_cannot_be_loaded_is_named(module: str, tmp_path: Path) -> None:
    said, (code, *_) = without((module,), "--out", str(tmp_path))
    assert code == "4"
    assert f"{module} cannot be loaded" in " ".join(said.split())
    assert "OK    python " in said
