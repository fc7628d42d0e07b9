import inspect

import pytest

from kilnsense import errors
from kilnsense.errors import FAILURE_REASONS, ImageError, KilnsenseError

CODES = {
    "KilnsenseError": 1,
    "ConfigError": 2,
    "MissingExtraError": 2,
    "InputError": 2,
    "ImageError": 3,
    "GateError": 4,
    "SourceError": 5,
    "BundleError": 5,
    "StorageError": 6,
}


def test_the_tree_and_its_exit_codes_are_pinned() -> None:
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    assert {name: kind.exit_code for name, kind in classes.items()} == CODES
    assert all(issubclass(kind, KilnsenseError) for kind in classes.values())


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = {line.split()[0]: line for line in (errors.__doc__ or "").splitlines() if "exit code" in line}
    assert {name: int(line.split("exit code")[1].split()[0]) for name, line in drawn.items()} == CODES
    for name, line in drawn.items():
        depth = (len(line) - len(line.lstrip())) // 2 - 2
        assert len(getattr(errors, name).__mro__) == 4 + depth, name


def test_every_class_is_caught_as_the_root() -> None:
    for name in CODES:
        if name != "ImageError":
            with pytest.raises(KilnsenseError, match=r"^what$"):
                raise getattr(errors, name)("what")


def test_image_error_carries_its_reason() -> None:
    error = ImageError("truncated", "a.jpg: ends early")
    assert (error.reason, str(error)) == ("truncated", "a.jpg: ends early")


def test_reasons_are_codes_with_a_sentence() -> None:
    assert all(code == code.lower() and code.replace("_", "").isalpha() for code in FAILURE_REASONS)
    assert all(len(sentence.split()) > 3 for sentence in FAILURE_REASONS.values())
