import hashlib
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kilnsense.bundle import load_bundle
from kilnsense.data.loader import load_one
from kilnsense.errors import BundleError, ImageError
from kilnsense.recogniser import Recogniser, look, represent
from kilnsense.web.viewer import FEATURES, NEAREST, Viewer
from tests.labelled_run import CLIP, mixed_root


@pytest.fixture(scope="module")
def root(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed_root(tmp_path_factory.mktemp("viewer") / "frames", tiny_root)


@pytest.fixture(scope="module")
def viewer(tiny_bundle: Path, root: Path) -> Viewer:
    return Viewer(load_bundle(tiny_bundle), root)


def digest(root: Path, path: str) -> str:
    file = root / path.partition("#")[0]
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def pixels_of(data: bytes) -> NDArray[np.float64]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float64)


def test_a_picture_and_its_regions_are_shown_in_the_right_colours(viewer: Viewer, root: Path) -> None:
    seen = viewer.see("run005/00003.jpg", digest(root, "run005/00003.jpg"))
    shown, stored = pixels_of(seen.picture), pixels_of((root / "run005/00003.jpg").read_bytes())
    assert shown.shape == stored.shape
    assert np.abs(shown - stored).mean() < 4
    assert stored[..., 0].mean() - stored[..., 2].mean() > 20
    drawn = pixels_of(seen.overlay)
    assert drawn.shape[1] >= 480
    assert drawn.shape[1] / drawn.shape[0] == pytest.approx(stored.shape[1] / stored.shape[0])
    small = np.asarray(Image.fromarray(drawn.astype(np.uint8)).resize(stored.shape[1::-1]), np.float64)
    assert np.abs(small - stored).mean() > 10


def test_the_nearest_labelled_frames_are_those_of_a_slow_search(
    viewer: Viewer, root: Path, tiny_bundle: Path, tiny_recogniser: Recogniser
) -> None:
    bundle = load_bundle(tiny_bundle)
    frame = load_one(root / "run005/00003.jpg", root, bundle.config.image)
    sight = look(frame, tiny_recogniser.codebook, bundle.config)  # type: ignore[arg-type]
    own = represent([sight], tiny_recogniser.encode, bundle.config)[0].values[0]
    rows = bundle.arrays[FEATURES].astype(float)
    units = [column.std() or 1.0 for column in rows.T]
    slow = [
        np.sqrt(sum(((a - b) / u) ** 2 for a, b, u in zip(row, own, units, strict=True)) / len(own))
        for row in rows
    ]
    nearest = viewer.see("run005/00003.jpg", digest(root, "run005/00003.jpg")).nearest
    assert [one.number for one in nearest] == np.argsort(slow, kind="stable")[:NEAREST].tolist()
    assert [one.distance for one in nearest] == pytest.approx(sorted(slow)[:NEAREST])
    assert nearest[0].distance > 0
    first = bundle.gallery[nearest[0].number]
    assert (nearest[0].label, nearest[0].group, nearest[0].pictured) == (first.label, first.group, True)


def test_a_frame_of_the_training_is_its_own_nearest(viewer: Viewer, root: Path) -> None:
    nearest = viewer.see("run000/00003.jpg", digest(root, "run000/00003.jpg")).nearest[0]
    assert nearest.group == "run000"
    assert nearest.distance < 0.01


def test_a_frame_of_a_video_is_shown(viewer: Viewer, root: Path) -> None:
    first, later = (
        pixels_of(viewer.see(f"clip.mp4#{number:06d}", digest(root, "clip.mp4")).picture)
        for number in (0, 25)
    )
    assert first.shape == later.shape
    assert (first != later).any()
    assert first[..., 0].mean() > first[..., 2].mean()
    with pytest.raises(ImageError, match="holds no frame 999999"):
        viewer.see("clip.mp4#999999", digest(root, "clip.mp4#999999"))


def test_what_is_no_picture_or_leads_out_is_refused(viewer: Viewer, root: Path) -> None:
    with pytest.raises(ImageError, match="allowed: JPEG, PNG"):
        viewer.see("notes.txt", digest(root, "notes.txt"))
    (root.parent / "secret.jpg").write_bytes((root / "run000/00000.jpg").read_bytes())
    (root / "link.jpg").symlink_to(root.parent / "secret.jpg")
    for path in ("../secret.jpg", "link.jpg", "/etc/passwd"):
        with pytest.raises(ImageError) as caught:
            viewer.see(path, digest(root, path))
        assert caught.value.reason == "outside"


def test_a_video_that_leads_out_is_refused(viewer: Viewer, root: Path) -> None:
    shutil.copy(CLIP, root.parent / "outside.mp4")
    (root / "link.mp4").symlink_to(root.parent / "outside.mp4")
    for path in ("../outside.mp4#000000", "link.mp4#000000"):
        with pytest.raises(ImageError) as caught:
            viewer.see(path, digest(root, path))
        assert caught.value.reason == "outside"


def test_a_file_that_was_changed_since_it_was_labelled_is_not_shown(
    tiny_bundle: Path, root: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(root / "run005", moved / "run005")
    shutil.copy(CLIP, moved)
    names = ("run005/00003.jpg", f"{CLIP.name}#000025")
    before = {name: digest(moved, name) for name in names}
    viewer = Viewer(load_bundle(tiny_bundle), moved)
    assert all(viewer.see(name, sha256).picture for name, sha256 in before.items())
    shutil.copy(moved / "run005/00004.jpg", moved / "run005/00003.jpg")
    with (moved / CLIP.name).open("ab") as file:
        file.write(b"more")
    viewer = Viewer(load_bundle(tiny_bundle), moved)
    for name, sha256 in before.items():
        with pytest.raises(ImageError, match="is another file than the one that was labelled"):
            viewer.see(name, sha256)


def test_a_labelled_frame_is_shown_small_while_it_is_the_same(
    tiny_bundle: Path, tiny_root: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kilnsense.web.viewer.THUMBNAIL_WIDTH", 80)
    bundle = load_bundle(tiny_bundle)
    copied = tmp_path / "frames"
    shutil.copytree(tiny_root, copied)
    data = bundle.config.data.model_copy(update={"root": str(copied)})
    viewer = Viewer(replace(bundle, config=bundle.config.model_copy(update={"data": data})), root)
    assert pixels_of(viewer.gallery_picture(0)).shape == (60, 80, 3)
    (copied / bundle.gallery[0].path).write_bytes((copied / bundle.gallery[1].path).read_bytes())
    with pytest.raises(ImageError, match="another picture than it was in training"):
        viewer.gallery_picture(0)
    (copied / bundle.gallery[0].path).unlink()
    with pytest.raises(ImageError, match="no regular file"):
        viewer.gallery_picture(0)
    with pytest.raises(ImageError, match="is not there"):
        viewer.gallery_picture(len(bundle.gallery))
    assert not all(
        one.pictured for one in viewer.see("run000/00000.jpg", digest(root, "run000/00000.jpg")).nearest
    )


def test_a_bundle_without_rows_is_refused(tiny_bundle: Path, root: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    arrays = {name: array for name, array in bundle.arrays.items() if name != FEATURES}
    with pytest.raises(BundleError, match="holds no row for each labelled frame"):
        Viewer(replace(bundle, arrays=arrays), root)
