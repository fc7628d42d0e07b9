"""The self-test: the model's own answers pass, others do not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kilnsense.bundle import Bundle, load_bundle, save_bundle
from kilnsense.doctor.model import check_bundle
from kilnsense.golden import ANSWERS, golden_fault, has_references
from kilnsense.recogniser import Recogniser
from kilnsense.types import Embeddings, Views


@pytest.fixture(scope="module")
def arrays(tiny_bundle: Path) -> dict[str, np.ndarray]:
    return dict(load_bundle(tiny_bundle).arrays)


def test_a_trained_bundle_holds_three_frames_of_three_classes(arrays: dict[str, np.ndarray]) -> None:
    assert has_references(arrays)
    answers = arrays[ANSWERS]
    assert answers.shape == (3, 3)
    assert [int(row.argmax()) for row in answers] == [0, 1, 2]
    assert {arrays[f"golden.pixels.{number}"].shape for number in range(3)} == {(120, 160, 3)}


def test_the_model_that_runs_answers_as_the_one_that_was_trained(
    arrays: dict[str, np.ndarray], tiny_recogniser: Recogniser
) -> None:
    assert golden_fault(arrays, tiny_recogniser) == ""


def _zeros(real: Embeddings) -> Embeddings:
    return replace(real, values=np.zeros_like(real.values))


def _nonsense(real: Embeddings) -> Embeddings:
    return replace(real, values=np.ascontiguousarray(real.values[:, :, ::-1]))


@pytest.mark.parametrize("broken", [_zeros, _nonsense])
def test_networks_that_compute_nonsense_are_found(
    arrays: dict[str, np.ndarray], tiny_recogniser: Recogniser, broken: Callable[[Embeddings], Embeddings]
) -> None:
    encode = tiny_recogniser.encode
    assert encode is not None

    def wrong(views: Views) -> Embeddings:
        return broken(encode(views))

    fault = golden_fault(arrays, replace(tiny_recogniser, encode=wrong))
    assert "reference frame" in fault


def test_a_changed_calibration_is_found(arrays: dict[str, np.ndarray], tiny_recogniser: Recogniser) -> None:
    calibration = replace(tiny_recogniser.calibration, temperature=9.0)
    assert golden_fault(arrays, replace(tiny_recogniser, calibration=calibration))


def test_doctor_runs_it(tiny_bundle: Path) -> None:
    found = {finding.name: finding for finding in check_bundle(tiny_bundle)}
    assert found["self-test"].state == "ok"


def test_a_bundle_of_an_earlier_release_is_asked_to_be_trained_again(
    tiny_saved: Bundle, tmp_path: Path
) -> None:
    older = {name: array for name, array in tiny_saved.arrays.items() if not name.startswith("golden.")}
    save_bundle(replace(tiny_saved, arrays=older), tmp_path / "older")
    assert not has_references(load_bundle(tmp_path / "older").arrays)
    found = {finding.name: finding for finding in check_bundle(tmp_path / "older")}
    assert found["self-test"].state == "warn"
    assert "train" in found["self-test"].fix
