"""The search within a fold: it finds what helps, and knows every classifier."""

from dataclasses import replace

import numpy as np
import pytest

from kilnsense.classify.models import CLASSIFIERS, build_classifier
from kilnsense.compare.entrants import BASELINES
from kilnsense.compare.tuning import GRIDS, tuned_options
from kilnsense.config import ClassifierConfig, Config
from kilnsense.training.fit_rows import Rows


@pytest.fixture(scope="module")
def rows(tiny_learned) -> Rows:  # type: ignore[no-untyped-def]
    return tiny_learned.trained.rows.bare()


def with_kind(config: Config, kind: str, **options: float) -> Config:
    training = config.training.model_copy(update={"enabled": False})
    return config.model_copy(
        update={"training": training, "classifier": ClassifierConfig(kind=kind, options=options)}
    )


def test_every_classifier_has_a_grid_of_good_options_that_starts_at_its_defaults() -> None:
    assert set(GRIDS) == set(CLASSIFIERS) - set(BASELINES)
    for kind, grid in GRIDS.items():
        plain = build_classifier(kind, {}, seed=0).get_params()
        first = build_classifier(kind, {name: values[0] for name, values in grid.items()}, seed=0)
        assert str(first.get_params()) == str(plain), kind
        for name, values in grid.items():
            for value in values:
                build_classifier(kind, {name: value}, seed=0)


def test_the_best_on_left_out_groups_is_chosen(tiny_config: Config, rows: Rows, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    noisy = rng.normal(size=rows.descriptors.shape).astype(np.float32)
    noisy[:, :40] += 1.2 * rows.labels[:, None]
    seen = replace(rows, descriptors=noisy)
    monkeypatch.setitem(GRIDS, "lda", {"shrinkage": (0.0, 0.9)})
    assert tuned_options(with_kind(tiny_config, "lda"), seen, "macro_f1") == {"shrinkage": 0.9}
    # Of a measure of which less is better the smallest is taken.
    assert tuned_options(with_kind(tiny_config, "lda"), seen, "log_loss") == {"shrinkage": 0.9}


def test_of_equals_the_first_stays_and_other_options_are_kept(tiny_config: Config, rows: Rows) -> None:
    config = with_kind(tiny_config, "svm", sharpness=1.0)
    perfect = replace(
        rows, descriptors=np.repeat(rows.labels[:, None], rows.descriptors.shape[1], 1).astype(np.float32)
    )
    assert tuned_options(config, perfect, "macro_f1") == {"sharpness": 1.0}
    assert tuned_options(with_kind(tiny_config, "svm"), perfect, "coverage") == {"c": 0.5, "gamma": 0.2}
