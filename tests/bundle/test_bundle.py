import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from kilnsense.bundle import Bundle, GalleryRow, data_fingerprint, load_bundle, read_identity, save_bundle
from kilnsense.bundle import write as bundle_write
from kilnsense.classify.models import build_classifier
from kilnsense.config import Config
from kilnsense.errors import BundleError, InputError, StorageError

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle_format_1"
GALLERY = (GalleryRow("r1/ä,b.png", "under", "r1", "aa"), GalleryRow("r2/c.png", "over", "r2", "bb"))


def rows(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(30, 4)) + np.repeat([[0.0], [3.0], [6.0]], 10, axis=0)


def make_bundle(kind: str = "knn") -> Bundle:
    fitted = build_classifier(kind, {}, seed=0).fit(rows(), np.repeat([0, 1, 2], 10))
    return Bundle(
        config=Config(),
        classifier=fitted,
        arrays={
            "codebook.centres": np.eye(3, dtype=np.float32),
            "gallery.features": rows().astype(np.float32),
        },
        thresholds={"min_confidence": 0.6},
        scores={"balanced_accuracy": 0.91},
        gallery=GALLERY,
        encoder_onnx=b"\x08\x0aonnx",
        encoder_weights=None,
        fingerprint=data_fingerprint(GALLERY),
    )


@pytest.fixture(name="saved")
def _saved(tmp_path: Path) -> Path:
    save_bundle(make_bundle(), tmp_path / "model")
    return tmp_path / "model"


def edit(folder: Path, **changes: object) -> None:
    """Changes keys of bundle.json, as someone with an editor would."""
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def relist(folder: Path, name: str, data: bytes) -> None:
    """Replaces a file and lists it with its right size and hash, as a forger would."""
    (folder / name).write_bytes(data)
    files = json.loads((folder / "bundle.json").read_text())["files"]
    files[name] = {"bytes": len(data), "sha256": bundle_write.hashlib.sha256(data).hexdigest()}
    edit(folder, files=files)


@pytest.mark.parametrize("kind", ["knn", "svm", "mlp", "forest"])
def test_what_was_saved_is_loaded(tmp_path: Path, kind: str) -> None:
    bundle = make_bundle(kind)
    written = save_bundle(bundle, tmp_path / "deep" / "model")
    loaded = load_bundle(tmp_path / "deep" / "model")
    assert loaded.config == bundle.config
    assert loaded.classes == ("under", "normal", "over")
    assert dict(loaded.thresholds) == {"min_confidence": 0.6}
    assert dict(loaded.scores) == {"balanced_accuracy": 0.91}
    assert loaded.gallery == GALLERY
    assert loaded.encoder_onnx == b"\x08\x0aonnx"
    assert loaded.encoder_weights is None
    assert (loaded.model_id, loaded.created, loaded.card) == (written.model_id, written.created, written.card)
    assert len(loaded.model_id) == 12
    assert loaded.created.endswith("Z")
    assert loaded.model_id in loaded.card
    assert loaded.arrays.keys() == bundle.arrays.keys()
    for name, array in bundle.arrays.items():
        assert np.array_equal(loaded.arrays[name], array)
        assert loaded.arrays[name].dtype == array.dtype
    assert np.array_equal(loaded.classifier.predict_proba(rows(5)), bundle.classifier.predict_proba(rows(5)))


def test_same_training_gives_the_same_id_and_files(tmp_path: Path) -> None:
    first = save_bundle(make_bundle("svm"), tmp_path / "a")
    again = save_bundle(make_bundle("svm"), tmp_path / "b")
    assert first.model_id == again.model_id
    for name in ("classifier.skops", "gallery.safetensors", "gallery.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_id_follows_what_decides_and_not_where_the_data_lay(tmp_path: Path) -> None:
    base = make_bundle()
    moved = base.config.model_copy(update={"data": base.config.data.model_copy(update={"root": "elsewhere"})})
    variants = {
        "base": base,
        "moved": replace(base, config=moved),
        "threshold": replace(base, thresholds={"min_confidence": 0.7}),
        "onnx": replace(base, encoder_onnx=b"\x08\x0bonnx"),
        "data": replace(base, fingerprint="ff"),
    }
    ids = {name: save_bundle(variant, tmp_path / name).model_id for name, variant in variants.items()}
    assert ids["base"] == ids["moved"]
    assert len(set(ids.values())) == 4


def test_fingerprint_ignores_order_and_sees_labels() -> None:
    assert data_fingerprint(GALLERY) == data_fingerprint(GALLERY[::-1])
    assert data_fingerprint(GALLERY) != data_fingerprint([replace(GALLERY[0], label="over"), GALLERY[1]])


@pytest.mark.parametrize(
    "name", ["classifier.skops", "gallery.safetensors", "gallery.csv", "encoder.onnx", "MODEL_CARD.md"]
)
def test_every_file_is_guarded(saved: Path, name: str) -> None:
    data = (saved / name).read_bytes()
    (saved / name).write_bytes(data[:-1])
    with pytest.raises(
        BundleError, match=rf"{name}: has {len(data) - 1} bytes, should have {len(data)}: cut short"
    ):
        load_bundle(saved)
    (saved / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BundleError, match=rf"{name}: was altered"):
        load_bundle(saved)
    (saved / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: is missing"):
        load_bundle(saved)


def test_cut_short_manifest(saved: Path) -> None:
    path = saved / "bundle.json"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BundleError, match=r"bundle\.json: is cut short or no JSON"):
        load_bundle(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format": 2, "kilnsense": "0.9.0"},
            r"format 2, this kilnsense reads up to 1; install kilnsense 0\.9\.0",
        ),
        ({"format": "1"}, "format '1', allowed"),
        ({"format": None}, "format None, allowed"),
        ({"files": None}, "has no list of files"),
        ({"files": {}}, r"lists no classifier\.skops"),
        ({"thresholds": {"min_confidence": 0.0}}, "was altered"),
        ({"thresholds": None}, "cannot be used"),
        ({"model_id": "0" * 12}, "was altered"),
        ({"config": {"clases": ["a", "b"]}}, "unknown key 'clases'; did you mean 'classes'"),
    ],
)
def test_manifest_faults(saved: Path, changes: dict[str, object], message: str) -> None:
    edit(saved, **changes)
    with pytest.raises(BundleError, match=message):
        load_bundle(saved)


def test_manifest_cannot_name_files_outside(saved: Path) -> None:
    listed = json.loads((saved / "bundle.json").read_text())["files"]
    edit(saved, files={**listed, "../secret": {"bytes": 1, "sha256": ""}})
    with pytest.raises(BundleError, match=r"lists '\.\./secret', which is no file of a bundle"):
        load_bundle(saved)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("classifier.skops", b"\x80\x04K\x01.", "is no skops archive"),
        ("classifier.skops", b"PK\x03\x04 and nothing", "cannot be read"),
        ("encoder.onnx", b"\x80\x05K\x01.", "is a pickle"),
        ("encoder.onnx", b"\x08\x0a\x0a\x08location\x12\x06passwd", "points to other files"),
        ("gallery.safetensors", b"\xff" * 7 + b"\x7f{}", "is no safetensors file"),
        ("gallery.safetensors", b"\x80\x04K\x01.", "is no safetensors file"),
        ("gallery.safetensors", b"\x02" + b"\x00" * 7 + b"{!", "is no safetensors file"),
        ("gallery.csv", b"path,label\nx,y\n", "columns path, label, group, sha256 are needed"),
    ],
)
def test_forged_contents_are_refused(saved: Path, name: str, data: bytes, message: str) -> None:
    relist(saved, name, data)
    with pytest.raises(BundleError, match=message):
        load_bundle(saved)


def test_pickles_are_named_and_never_opened(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(BundleError, match=r"model\.pt: is a file that can run code"):
        load_bundle(tmp_path / "model.pt")
    with pytest.raises(
        BundleError, match=r"holds no bundle\.json; model\.pt can run code and is never opened"
    ):
        load_bundle(tmp_path)
    with pytest.raises(BundleError, match=r"nowhere: holds no bundle\.json; give a folder made by"):
        load_bundle(tmp_path / "nowhere")


def test_foreign_types_are_refused_on_both_ways(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = FunctionTransformer(edit)
    with pytest.raises(InputError, match=r"classifier: holds .*edit, allowed: scikit-learn"):
        save_bundle(replace(make_bundle(), classifier=foreign), saved.parent / "other")
    assert not (saved.parent / "other").exists()
    import skops.io

    relist(saved, "classifier.skops", skops.io.dumps(foreign))
    with pytest.raises(BundleError, match=r"holds .*edit, which no bundle may"):
        load_bundle(saved)


def test_existing_folders_are_safe(saved: Path, tmp_path: Path) -> None:
    before = (saved / "bundle.json").read_bytes()
    with pytest.raises(StorageError, match="is there already; name a new folder or allow to overwrite"):
        save_bundle(make_bundle(), saved)
    assert (saved / "bundle.json").read_bytes() == before
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"x")
    for target in (tmp_path / "photos", tmp_path / "photos" / "a.png"):
        with pytest.raises(StorageError, match="is there and is no bundle"):
            save_bundle(make_bundle(), target, overwrite=True)
    assert (tmp_path / "photos" / "a.png").read_bytes() == b"x"


def test_overwrite_replaces_the_whole_bundle(saved: Path) -> None:
    changed = save_bundle(replace(make_bundle("svm"), encoder_onnx=None), saved, overwrite=True)
    assert load_bundle(saved).model_id == changed.model_id
    assert not (saved / "encoder.onnx").exists()
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    target = tmp_path / "model"
    if overwrite:
        save_bundle(make_bundle(), target)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    calls = iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle_write.os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\)"):
        save_bundle(make_bundle("svm"), target, overwrite=overwrite)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert target.exists() == overwrite


def test_a_swap_that_fails_puts_the_old_bundle_back(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_bundle(saved).model_id
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name.endswith(".new"):
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StorageError, match=r"cannot be written \(Input/output error\)"):
        save_bundle(make_bundle("svm"), saved, overwrite=True)
    assert load_bundle(saved).model_id == before
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_file_in_the_way_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StorageError, match="cannot be written"):
        save_bundle(make_bundle(), tmp_path / "file" / "model")


def test_only_numbers_enter_a_bundle() -> None:
    with pytest.raises(InputError, match=r"arrays\['names'\]: got .*, allowed: numbers"):
        replace(make_bundle(), arrays={"names": np.array(["a"])})
    with pytest.raises(InputError, match=r"scores\['f1'\]: got nan, allowed: finite"):
        replace(make_bundle(), scores={"f1": float("nan")})


def test_reading_needs_no_torch(saved: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kilnsense.bundle import load_bundle; "
        "load_bundle(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, saved], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_format_1_is_read_for_ever() -> None:
    bundle = load_bundle(GOLDEN)
    expected = json.loads((GOLDEN.parent / "bundle_format_1.json").read_text())
    assert bundle.model_id == expected["model_id"]
    probabilities = bundle.classifier.predict_proba(np.array(expected["rows"]))
    assert np.allclose(probabilities, expected["probabilities"], atol=1e-6)
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 50_000


def test_the_identity_is_that_of_the_loaded_bundle_or_refused(saved: Path) -> None:
    whole = load_bundle(saved)
    assert read_identity(saved) == (whole.config, whole.model_id)
    thresholds = json.loads((saved / "bundle.json").read_text())["thresholds"]
    edit(saved, thresholds={"min_confidence": 0.0})
    with pytest.raises(BundleError, match="was altered"):
        read_identity(saved)
    edit(saved, thresholds=thresholds)
    (saved / "classifier.skops").write_bytes((saved / "classifier.skops").read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"classifier\.skops: was altered"):
        read_identity(saved)
