"""What a fold's slow part gives comes back from its file digit by digit, and is found by content alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from kilnsense.compare.looked import (
    LookedFold,
    Seen,
    content_key,
    read_looked,
    read_seen,
    take,
    write_looked,
    write_seen,
)
from kilnsense.types import Quality


def looked(learned) -> LookedFold:  # type: ignore[no-untyped-def]
    rows = learned.trained.rows
    bad = replace(rows.qualities[0], flags=("dark", "hazy"))
    test = Seen(rows.descriptors[:3], (bad, *rows.qualities[1:3]), take(rows.embeddings, np.arange(3)))
    return LookedFold(rows, test, 1.5)


def test_a_fold_comes_back_as_it_was(tiny_learned, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    fold = looked(tiny_learned)
    write_looked(tmp_path / "f", fold)
    back = read_looked(tmp_path / "f", tiny_learned.recogniser.config)
    assert back is not None
    assert back.seconds == 1.5
    assert back.test.qualities == fold.test.qualities
    assert back.test.qualities[0].flags == ("dark", "hazy")
    np.testing.assert_array_equal(back.test.embeddings.values, fold.test.embeddings.values)
    for name in ("labels", "groups", "descriptors", "signals"):
        np.testing.assert_array_equal(getattr(back.rows, name), getattr(fold.rows, name))
    assert back.rows.qualities == fold.rows.qualities
    assert len(back.rows.folds) == len(fold.rows.folds) > 1
    for ours, theirs in zip(back.rows.folds, fold.rows.folds, strict=True):
        np.testing.assert_array_equal(ours.test, theirs.test)
        np.testing.assert_array_equal(ours.embeddings.present, theirs.embeddings.present)
        np.testing.assert_array_equal(ours.embeddings.values, theirs.embeddings.values)
    np.testing.assert_array_equal(back.rows.codebook.centres, fold.rows.codebook.centres)


def test_descriptors_alone_have_no_embeddings(tiny_learned, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    fold = looked(tiny_learned)
    bare = LookedFold(fold.rows.bare(), replace(fold.test, embeddings=None), 0.0)
    write_looked(tmp_path / "f", bare)
    back = read_looked(tmp_path / "f", tiny_learned.recogniser.config)
    assert back is not None
    assert back.test.embeddings is back.rows.embeddings is back.rows.folds[0].embeddings is None


def test_no_file_and_a_damaged_one_are_made_anew(tiny_learned, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    config = tiny_learned.recogniser.config
    assert read_looked(tmp_path / "none", config) is None
    write_looked(tmp_path / "f", looked(tiny_learned))
    whole = (tmp_path / "f").read_bytes()
    for part in (b"", whole[:100], whole[:-20]):
        (tmp_path / "f").write_bytes(part)
        assert read_looked(tmp_path / "f", config) is None
        assert read_seen(tmp_path / "f") is None


def test_frames_come_back(tmp_path: Path) -> None:
    quality = Quality(
        luminance=0.25, bright=9.0, saturated=0.5, sharpness=3.0, haze=0.125, flags=("blurred",)
    )
    seen = Seen(np.arange(6, dtype=np.float32).reshape(2, 3), (quality, replace(quality, flags=())), None)
    write_seen(tmp_path / "s", seen)
    back = read_seen(tmp_path / "s")
    assert back is not None
    assert back.qualities == seen.qualities
    np.testing.assert_array_equal(back.descriptors, seen.descriptors)
    assert back.rows(np.array([1])).qualities == (replace(quality, flags=()),)


def test_the_key_knows_what_matters_and_nothing_else(tiny_config) -> None:  # type: ignore[no-untyped-def]
    key = content_key(tiny_config, "frames")
    assert content_key(tiny_config, "frames") == key
    assert content_key(tiny_config, "other frames") != key
    moved = tiny_config.model_copy(update={"data": tiny_config.data.model_copy(update={"root": "elsewhere"})})
    judged = moved.model_copy(
        update={
            "classifier": moved.classifier.model_copy(update={"kind": "lda"}),
            "fusion": moved.fusion.model_copy(update={"kind": "pca"}),
            "decide": moved.decide.model_copy(update={"min_confidence": 0.9}),
        }
    )
    assert content_key(judged, "frames") == key
    for section, change in (
        ("training", {"epochs": 4}),
        ("segment", {"restarts": 1}),
        ("image", {"width": 99}),
        ("metric", {"margin": 0.7}),
        ("decide", {"folds": 3}),
    ):
        other = tiny_config.model_copy(
            update={section: getattr(tiny_config, section).model_copy(update=change)}
        )
        assert content_key(other, "frames") != key, section
    assert content_key(tiny_config.model_copy(update={"seed": 5}), "frames") != key
