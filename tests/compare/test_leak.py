"""Memory is measured: frames that repeat each other flatter a random split."""

import numpy as np

from kilnsense.compare.leak import Leak, measure_leak
from kilnsense.features.descriptors import descriptor_names


def test_runs_that_repeat_themselves_leak_and_independent_frames_do_not(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.8})
    labels, groups = outcome.compared.data.labels, outcome.compared.data.groups
    width = len(descriptor_names(outcome.settings.base.segment.names))
    rng = np.random.default_rng(0)
    run = np.unique(groups, return_inverse=True)[1]
    repeated = rng.normal(size=(18, width))[run] + 0.01 * rng.normal(size=(len(run), width))
    leak = measure_leak(outcome.settings, repeated.astype(np.float32), labels, outcome.folds)
    assert leak.random > 0.95
    assert leak.memory > 0.3
    alone = rng.normal(size=(len(run), width)) + labels[:, None]
    honest = measure_leak(outcome.settings, alone.astype(np.float32), labels, outcome.folds)
    assert honest.grouped > 0.9
    assert abs(honest.memory) < 0.1


def test_memory_is_the_difference() -> None:
    assert Leak(0.75, 0.95).memory == 0.95 - 0.75
