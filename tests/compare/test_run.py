"""A whole comparison on tiny runs: resumable, reused by content, the same in one process and in two."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kilnsense.compare.looked import read_looked
from kilnsense.compare.result import read_result
from kilnsense.compare.run import Outcome, run_comparison
from kilnsense.compare.work import Places, Ready, prepare
from kilnsense.config import CompareConfig
from kilnsense.errors import ConfigError, InputError

Run = tuple[Places, Outcome]


def same(one: Outcome, other: Outcome) -> None:
    assert set(one.probabilities) == set(other.probabilities)
    for name, table in one.probabilities.items():
        np.testing.assert_array_equal(other.probabilities[name], table)
        np.testing.assert_array_equal(other.reasons[name], one.reasons[name])
    assert one.leak == other.leak
    np.testing.assert_array_equal(one.points.xy, other.points.xy)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_every_frame_is_judged_in_every_repeat(tiny_run: Run) -> None:
    _, outcome = tiny_run
    frames = len(outcome.compared.data)
    assert set(outcome.probabilities) == {"svm", "lda", "majority", "mean_luminance", "descriptors+svm"}
    for name, table in outcome.probabilities.items():
        assert table.shape == (1, frames, 3)
        np.testing.assert_allclose(table.sum(axis=2), 1)
        assert (outcome.reasons[name] != "").all()
    # Without networks the configured svm and the baseline are one and the same.
    np.testing.assert_array_equal(outcome.probabilities["svm"], outcome.probabilities["descriptors+svm"])
    assert 0 <= outcome.leak.grouped <= 1
    assert len(outcome.points.xy) == frames
    assert outcome.points.what == "descriptors"


def test_a_finished_run_is_only_read(tiny_settings: CompareConfig, tiny_run: Run) -> None:
    places, first = tiny_run
    before = digests(places.run / "folds")
    told: list[tuple[int, int]] = []
    again = run_comparison(
        prepare(tiny_settings, places), processes=1, watch=lambda done, total: told.append((done, total))
    )
    same(first, again)
    assert digests(places.run / "folds") == before
    assert told == []


def test_what_is_missing_is_judged_and_what_is_known_of_its_content_is_not_trained(
    tiny_settings: CompareConfig, tiny_run: Run, tmp_path: Path
) -> None:
    places, first = tiny_run
    before = digests(places.cache)
    told: list[tuple[int, int]] = []
    other = tiny_settings.model_copy(update={"classifiers": ("svm", "lda", "prototype")})
    elsewhere = Places(tmp_path, places.cache, None)
    outcome = run_comparison(prepare(other, elsewhere), processes=1, watch=lambda *steps: told.append(steps))
    assert all(result.reused for result in outcome.results)
    assert not any(result.reused for result in first.results)
    assert digests(places.cache) == before
    np.testing.assert_array_equal(outcome.probabilities["lda"], first.probabilities["lda"])
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]
    (tmp_path / "folds" / "repeat1-fold2.safetensors").unlink()
    same(outcome, run_comparison(prepare(other, elsewhere), processes=1))


@pytest.mark.slow
def test_two_processes_say_the_same(tiny_settings: CompareConfig, tiny_run: Run, tmp_path: Path) -> None:
    places, first = tiny_run
    elsewhere = Places(tmp_path / "run", tmp_path / "cache", None)
    same(first, run_comparison(prepare(tiny_settings, elsewhere), processes=2))
    # And the cache is that of the one process, but for the seconds that it took.
    names = {path.name for path in (tmp_path / "cache").iterdir()}
    assert names == set(digests(places.cache))


def test_networks_are_trained_in_every_fold_once(tiny_config, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = tiny_config.data.model_copy(update={"held_out": ()})
    training = tiny_config.training.model_copy(update={"epochs": 1, "batches_per_epoch": 1})
    base = tiny_config.model_copy(update={"data": data, "training": training})
    settings = CompareConfig(base=base, classifiers=("lda",), folds=2, repeats=1)
    places = Places(tmp_path / "run", tmp_path / "cache", None)
    ready = prepare(settings, places)
    outcome = run_comparison(ready, processes=1)
    assert outcome.points.what == "embeddings"
    folds = sorted((tmp_path / "cache").glob("fold-*"))
    assert len(folds) == 2
    looked = [read_looked(path, base) for path in folds]
    assert all(one is not None and one.rows.embeddings is not None for one in looked)
    assert all(len(one.rows.folds) == base.decide.folds for one in looked if one is not None)
    # Nothing of the test part was seen: its groups are not among those of the rows.
    groups = {frozenset(one.rows.groups.tolist()) for one in looked if one is not None}
    assert groups == {frozenset(ready.compared.data.groups[fold.train].tolist()) for fold in ready.folds}
    assert not list((tmp_path / "run").glob("checkpoints/*/*"))
    assert not np.allclose(outcome.probabilities["lda"][0], outcome.probabilities["descriptors+svm"][0])


def test_other_labels_and_another_repeat_train_other_networks(tiny_config, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """What was trained for a fold is found by its content: its labels and its seed are part of that."""
    data = tiny_config.data.model_copy(update={"held_out": ()})
    training = tiny_config.training.model_copy(update={"epochs": 1, "batches_per_epoch": 1})
    base = tiny_config.model_copy(update={"data": data, "training": training})
    settings = CompareConfig(base=base, classifiers=("lda",), folds=2, repeats=2)
    places = Places(tmp_path / "run", tmp_path / "cache", None)
    ready = prepare(settings, places)
    # Both repeats are dealt alike: they differ in their seeds alone.
    twice = tuple(replace(fold, repeat=repeat) for repeat in (0, 1) for fold in ready.folds[:2])
    outcome = run_comparison(replace(ready, folds=twice), processes=1)
    assert len(list((tmp_path / "cache").glob("fold-*"))) == 4
    assert not np.allclose(*outcome.probabilities["lda"])
    swapped = replace(ready.compared.data, labels=(ready.compared.data.labels + 1) % 3)
    other = replace(ready, folds=twice, compared=replace(ready.compared, data=swapped))
    run_comparison(replace(other, places=replace(places, run=tmp_path / "other")), processes=1)
    assert len(list((tmp_path / "cache").glob("fold-*"))) == 8


def test_a_run_on_other_data_does_not_go_on(tiny_settings: CompareConfig, tiny_run: Run) -> None:
    places, outcome = tiny_run
    path = places.result(outcome.folds[0])
    assert read_result(path, fingerprint=outcome.compared.fingerprint) is not None
    with pytest.raises(
        ConfigError, match=r"repeat1-fold1.safetensors: was judged on other data .* start anew"
    ):
        read_result(path, fingerprint="other")
    assert read_result(path.with_name("none"), fingerprint="other") is None


def test_what_goes_wrong_names_fold_and_classifier(tiny_settings: CompareConfig, tmp_path: Path) -> None:
    classifier = tiny_settings.base.classifier.model_copy(update={"options": {"neighbours": 40}})
    base = tiny_settings.base.model_copy(update={"classifier": classifier})
    settings = tiny_settings.model_copy(update={"classifiers": ("knn",), "base": base})
    ready = prepare(settings, Places(tmp_path / "run", tmp_path / "cache", None))
    with pytest.raises(
        InputError, match=r"repeat1-fold1, knn: classifier rows: got \d+, allowed: at least 40"
    ):
        run_comparison(ready, processes=1)


def test_the_bundles_networks_can_be_kept(tiny_config, tiny_bundle: Path, tiny_saved, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = tiny_config.data.model_copy(update={"held_out": ()})
    base = tiny_config.model_copy(update={"data": data})
    settings = CompareConfig(
        base=base, classifiers=("lda",), folds=3, repeats=1, bundle=tiny_saved.model_id, frozen=True
    )
    ready = prepare(settings, Places(tmp_path / "run", tmp_path / "cache", tiny_bundle))
    outcome = run_comparison(ready, processes=1)
    # Five of the six runs were learned from.
    assert outcome.known == ready.known == 40
    assert not list((tmp_path / "cache").glob("fold-*"))
    assert sum(result.seconds for result in outcome.results) == 0
    assert isinstance(ready, Ready)
    assert outcome.points.what == "embeddings"
    again = replace(ready, places=Places(tmp_path / "again", tmp_path / "cache", tiny_bundle))
    same(outcome, run_comparison(again, processes=1))
