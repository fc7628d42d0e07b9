"""A trial: who is compared with whom, on which frames."""

from dataclasses import replace

import numpy as np
import pytest

from kilnsense.config import Config
from kilnsense.errors import ConfigError, InputError
from kilnsense.training.showcase import make_report
from kilnsense.training.trial import judge_held_out


def test_the_held_out_run_alone_is_judged(tiny_trial, tiny_learned) -> None:
    assert set(tiny_trial.data.groups.tolist()) == {"run005"}
    assert "run005" not in set(tiny_learned.trained.data.groups.tolist())
    assert [record.path.split("/")[0] for record in tiny_trial.records] == ["run005"] * len(tiny_trial.data)


def test_models_come_first_and_each_part_best_first(tiny_trial) -> None:
    kinds = [row.baseline for row in tiny_trial.rows]
    assert kinds == sorted(kinds)
    for baseline in (False, True):
        found = [row.measures.balanced_accuracy for row in tiny_trial.rows if row.baseline is baseline]
        assert found == sorted(found, reverse=True)
    assert all(row.measures.coverage == 1 for row in tiny_trial.rows if row.baseline)


def test_the_evaluation_is_what_the_verdicts_say(tiny_trial) -> None:
    done = tiny_trial.evaluation
    truth, said = done.truth, done.predicted
    recalls = [np.mean(said[truth == label] == label) for label in np.unique(truth)]
    assert done.measures.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert done.measures.coverage == np.mean([verdict.state is not None for verdict in done.verdicts])


def test_a_group_on_both_sides_is_refused(tiny_config: Config, tiny_learned, tiny_recogniser) -> None:
    seen = tiny_config.model_copy(
        update={"data": tiny_config.data.model_copy(update={"held_out": ("run001",)})}
    )
    with pytest.raises(InputError, match=r"on both sides \(run001\)"):
        judge_held_out(seen, tiny_learned, tiny_recogniser)


def test_nothing_held_out_is_refused(tiny_config: Config, tiny_learned, tiny_recogniser) -> None:
    none = tiny_config.model_copy(update={"data": tiny_config.data.model_copy(update={"held_out": ()})})
    with pytest.raises(ConfigError, match=r"data\.held_out: got no group"):
        judge_held_out(none, tiny_learned, tiny_recogniser)


def test_the_page_tells_the_measured_figures(tiny_saved, tiny_learned, tiny_trial) -> None:
    report = make_report(tiny_saved, tiny_learned, tiny_trial)
    assert f"{tiny_trial.evaluation.measures.balanced_accuracy:.3f}" in report.answer
    assert len(report.frames) == len(tiny_trial.data)
    worse = replace(tiny_trial, rows=tuple(row for row in tiny_trial.rows if row.baseline))
    assert len(make_report(tiny_saved, tiny_learned, worse).scores) == len(worse.rows)
