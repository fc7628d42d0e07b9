"""The promise to callers, and how light it stays."""

import subprocess
import sys
from pathlib import Path

import pytest

import kilnsense

PUBLIC = [
    "Config",
    "Failure",
    "Frame",
    "KilnsenseError",
    "Record",
    "Verdict",
    "__version__",
    "decode",
    "load_bundle",
    "load_config",
    "open_recogniser",
    "recognise",
    "simulate",
    "train",
]

HEAVY = ("torch", "cv2", "sklearn", "scipy", "onnxruntime", "skops", "albumentations", "matplotlib", "PIL")


def loaded_after(code: str) -> set[str]:
    """The heavy modules that are in memory after some code in a fresh interpreter."""
    script = f"{code}\nimport sys; print(*(set({HEAVY!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n")[-2].split())


def test_the_public_names_are_pinned() -> None:
    assert sorted(kilnsense.__all__) == PUBLIC
    assert sorted(dir(kilnsense)) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    if name != "__version__":
        assert getattr(kilnsense, name).__doc__


def test_an_unknown_name_is_refused_like_any_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Frmae'; public names: Config, "):
        kilnsense.Frmae  # noqa: B018


@pytest.mark.parametrize(
    "code", ["import kilnsense", "import kilnsense.config, kilnsense.parts, kilnsense.errors"]
)
def test_the_package_is_light(code: str) -> None:
    assert loaded_after(code) == set()


def test_the_command_line_is_light() -> None:
    assert loaded_after("import kilnsense.cli.main") == set()
    helped = "import sys; sys.argv = ['kilnsense', '--help']\nfrom kilnsense.cli.main import main\n"
    assert loaded_after(helped + "try:\n    main()\nexcept SystemExit:\n    pass") == set()


def test_labelling_is_free_of_torch() -> None:
    code = "import kilnsense.recogniser, kilnsense.data.loader, kilnsense.record.sinks, kilnsense.bundle"
    assert not {"torch", "albumentations", "matplotlib"} & loaded_after(code)


def test_the_parent_of_a_labelling_run_is_light() -> None:
    """It starts in a fraction of the time that its workers need."""
    code = "import kilnsense.label.run, kilnsense.label.guarded, kilnsense.bundle"
    assert loaded_after(code) <= {"cv2"}


def test_the_check_sees_a_heavy_module() -> None:
    assert "PIL" in loaded_after("import PIL")


def test_the_version_is_that_of_the_project() -> None:
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{kilnsense.__version__}"' in project
