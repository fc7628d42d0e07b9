"""The whole way of a picture: order, failures, batches, and that every caller gets the same answer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kilnsense.config import Config
from kilnsense.data.folders import list_images
from kilnsense.data.loader import load
from kilnsense.features.descriptors import descriptor_names
from kilnsense.recogniser import (
    Recogniser,
    embed,
    join,
    judge,
    look,
    open_recogniser,
    recognise,
    score,
    to_arrays,
    view,
)
from kilnsense.types import Failure, Frame


@pytest.fixture(scope="module")
def frames(tiny_root: Path, tiny_config: Config) -> list[Frame]:
    """The eight frames of the held-out run."""
    items = list(load(list_images(tiny_root / "run005"), root=tiny_root, config=tiny_config.image))
    assert all(isinstance(item, Frame) for item in items)
    return [item for item in items if isinstance(item, Frame)]


def test_one_record_for_every_item_in_the_same_order(
    frames: list[Frame], tiny_recogniser: Recogniser
) -> None:
    bad = Failure("broken.jpg", "truncated", "ends early", "")
    records = recognise([frames[0], bad, frames[1], bad], tiny_recogniser)
    assert [record.path for record in records] == [
        frames[0].source, "broken.jpg", frames[1].source, "broken.jpg",
    ]  # fmt: skip
    assert [record.status == "bad" for record in records] == [False, True, False, True]
    assert records[1].reason == "truncated"
    assert records[1].message == "ends early"
    assert records[1].verdict is None
    assert records[0].sha256 == frames[0].sha256
    assert {record.model_id for record in records} == {tiny_recogniser.model_id}


def test_failures_alone_and_nothing_at_all(tiny_recogniser: Recogniser) -> None:
    assert recognise([], tiny_recogniser) == []
    assert [r.status for r in recognise([Failure("a", "empty", "no bytes", "")], tiny_recogniser)] == ["bad"]


def test_a_verdict_does_not_depend_on_the_batch(frames: list[Frame], tiny_recogniser: Recogniser) -> None:
    together = recognise(frames, tiny_recogniser)
    alone = [recognise([frame], tiny_recogniser)[0] for frame in frames]
    backwards = recognise(frames[::-1], tiny_recogniser)[::-1]
    for one, two, three in zip(together, alone, backwards, strict=True):
        assert one.verdict is not None
        assert two.verdict is not None
        assert three.verdict is not None
        assert one.verdict.probabilities == pytest.approx(two.verdict.probabilities, abs=1e-5)
        assert one.verdict.probabilities == pytest.approx(three.verdict.probabilities, abs=1e-5)
        assert one.verdict.reason == two.verdict.reason == three.verdict.reason
    assert len({record.verdict.probabilities for record in together if record.verdict}) > 1


def test_the_onnx_way_and_the_torch_way_agree(
    frames: list[Frame], tiny_recogniser: Recogniser, tiny_learned
) -> None:
    by_torch = tiny_learned.recogniser
    sights = [look(frame, by_torch.codebook, by_torch.config) for frame in frames]
    one, two = score(sights, by_torch), score(sights, tiny_recogniser)
    assert np.ptp(one.probabilities, axis=0).max() > 0.1
    np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-4)
    np.testing.assert_allclose(one.unfamiliarity, two.unfamiliarity, rtol=1e-3, atol=1e-4)


def test_a_recogniser_survives_the_way_through_arrays(tiny_recogniser: Recogniser, tiny_learned) -> None:
    stored, fresh = to_arrays(tiny_recogniser), to_arrays(tiny_learned.recogniser)
    assert stored.keys() == fresh.keys()
    for name, array in stored.items():
        np.testing.assert_array_equal(array, fresh[name], err_msg=name)


def test_a_bad_picture_gets_no_state(frames: list[Frame], tiny_recogniser: Recogniser) -> None:
    strict = tiny_recogniser.config.model_copy(
        update={"quality": tiny_recogniser.config.quality.model_copy(update={"dark_below": 255.0})}
    )
    record = recognise(frames[:1], replace(tiny_recogniser, config=strict))[0]
    assert (record.status, record.reason) == ("review", "bad_image")
    assert record.verdict is not None
    assert record.verdict.state is None


def test_no_confidence_is_enough_above_one(frames: list[Frame], tiny_recogniser: Recogniser) -> None:
    sights = [look(frame, tiny_recogniser.codebook, tiny_recogniser.config) for frame in frames]
    assert {v.state for v in judge(sights, replace(tiny_recogniser, min_confidence=1.0))} == {None}
    assert {v.state for v in judge(sights, replace(tiny_recogniser, min_confidence=0.0))} != {None}


def test_another_world_is_unfamiliar(frames: list[Frame], tiny_recogniser: Recogniser) -> None:
    rng = np.random.default_rng(0)
    noise = replace(frames[0], pixels=rng.integers(0, 256, frames[0].pixels.shape).astype(np.uint8))
    record = recognise([noise], tiny_recogniser)[0]
    assert record.reason == "unfamiliar"


def test_sights_hold_what_their_names_say(frames: list[Frame], tiny_recogniser: Recogniser) -> None:
    config = tiny_recogniser.config
    sight = look(frames[0], tiny_recogniser.codebook, config)
    assert sight.segmentation.labels.shape == frames[0].pixels.shape[:2]
    assert tuple(region.name for region in sight.regions) == config.segment.names
    assert sight.descriptors.shape == (len(descriptor_names(config.segment.names)),)
    embeddings = embed([sight] * 3, tiny_recogniser.encode, config)
    assert embeddings is not None
    assert embeddings.values.shape == (3, len(config.branches.views), config.branches.dimensions)
    features, blocks = join(np.stack([sight.descriptors] * 3), embeddings, config)
    assert len(features.values) == 3
    assert "embedding" in blocks
    assert "embedding" not in join(sight.descriptors[None], None, config)[1]


def test_a_bundle_without_an_array_is_refused(tiny_saved, tmp_path: Path) -> None:
    from kilnsense.bundle import save_bundle
    from kilnsense.errors import BundleError

    arrays = {name: array for name, array in tiny_saved.arrays.items() if name != "calibration.bias"}
    save_bundle(replace(tiny_saved, arrays=arrays), tmp_path / "b")
    with pytest.raises(BundleError, match=r"holds no 'calibration\.bias'; train again"):
        open_recogniser(tmp_path / "b")


def test_palettes_are_made_where_the_head_or_the_margin_of_training_asks_for_them(
    frames: list[Frame], tiny_config: Config, tiny_recogniser: Recogniser
) -> None:
    sights = [look(frame, tiny_recogniser.codebook, tiny_config) for frame in frames[:2]]
    segmentations = [sight.segmentation for sight in sights]

    def colours(compared: bool, **metric: str) -> int:
        update = {"metric": tiny_config.metric.model_copy(update=metric)}
        config = tiny_config.model_copy(update=update)
        return view(frames[:2], segmentations, config, compared=compared).palettes.shape[2]

    assert colours(True) == colours(False) == colours(False, margin_by="cie76") == 0
    assert colours(True, margin_by="cie76") == tiny_config.branches.colours > 0
