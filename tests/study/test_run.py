"""Running a study: in order, once, resumable, in several processes, and telling how far it is."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kilnsense.config import StudyConfig
from kilnsense.errors import ConfigError, SourceError
from kilnsense.study.plan import Trial, plan_trials
from kilnsense.study.run import Progress, Tally, run_study
from kilnsense.study.workers import Finished, Task, read_finished, trial_folder
from kilnsense.training.history import Epoch

MakeStudy = Callable[..., StudyConfig]


def notes(tmp_path: Path) -> list[str]:
    return (tmp_path / "book" / "notes.txt").read_text(encoding="utf-8").splitlines()


def test_all_trials_run_in_order_with_one_preparation(
    fake: Task, make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study()
    trials = plan_trials(study)
    told: list[Progress] = []
    finished = run_study(study, fake, trials, folder=tmp_path / "run", watch=told.append)
    assert [one.trial for one in finished] == list(trials)
    assert [one.outcome.scores[0].values["accuracy"] for one in finished if one.outcome] == [
        pytest.approx(value) for value in (0.501, 0.511, 0.505, 0.515)
    ]
    lines = notes(tmp_path)
    assert len([line for line in lines if line.startswith("prepared")]) == 1
    assert lines[1:5] == [f"margin 0.1 seed 0 epoch {number}" for number in range(4)]
    assert len(lines) == 1 + 4 * 4
    assert len(told) == 4 * (4 + 1)
    assert (told[0].done, told[0].total, told[0].running) == (0, 4, (("margin-0.1_s0", 0),))
    assert told[4].ended is not None
    assert told[4].ended.trial == trials[0]
    assert (told[-1].done, told[-1].running, told[-1].seconds_left) == (4, (), 0.0)


def test_what_is_finished_is_read_and_nothing_prepared(
    fake: Task, make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study()
    trials = plan_trials(study)
    first = run_study(study, fake, trials, folder=tmp_path / "run")
    assert not (trial_folder(tmp_path / "run", trials[0]) / "checkpoints").exists()
    before = notes(tmp_path)
    again = run_study(study, fake, trials, folder=tmp_path / "run")
    assert notes(tmp_path) == before
    assert [one.outcome.scores for one in again if one.outcome] == [
        one.outcome.scores for one in first if one.outcome
    ]


def test_a_trial_that_diverges_is_recorded_and_the_others_go_on(
    fake: Task, make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study(grid={"metric.margin": [9.0, 0.1]}, seeds=[0])
    trials = plan_trials(study)
    finished = run_study(study, fake, trials, folder=tmp_path / "run")
    assert finished[0].outcome is None
    assert finished[0].message == "training: epoch 1: the network gives NaN; lower training.learning_rate"
    assert finished[1].outcome is not None
    before = notes(tmp_path)
    assert run_study(study, fake, trials, folder=tmp_path / "run")[0].message == finished[0].message
    assert notes(tmp_path) == before


@pytest.mark.parametrize("processes", [1, 2])
def test_data_that_cannot_be_read_end_the_study(
    fake: Task, make_study: MakeStudy, tmp_path: Path, processes: int
) -> None:
    study = make_study(base={"data": {"root": str(tmp_path / "gone")}})
    with pytest.raises(SourceError, match=r"data\.root .*gone: is no folder; give one"):
        run_study(study, fake, plan_trials(study), folder=tmp_path / "run", processes=processes)


@pytest.mark.slow
def test_processes_share_the_trials_and_prepare_once_each(
    fake: Task, make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study(grid={"metric.margin": [0.1, 9.0, 0.5]})
    trials = plan_trials(study)
    told: list[Progress] = []
    together = run_study(study, fake, trials, folder=tmp_path / "a", processes=2, watch=told.append)
    lines = notes(tmp_path)
    prepared = [line for line in lines if line.startswith("prepared")]
    assert len(set(prepared)) == len(prepared) == 2
    assert f"prepared in {os.getpid()}" not in prepared
    assert told[-1].done == 6
    alone = run_study(study, fake, trials, folder=tmp_path / "b")
    assert [one.message for one in together] == [one.message for one in alone]
    assert sum(bool(one.message) for one in alone) == 2
    assert [one.outcome and one.outcome.scores for one in together] == [
        one.outcome and one.outcome.scores for one in alone
    ]


def test_a_lost_process_is_named(
    fake: Task, make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_STOP", "0.1 0 2")
    monkeypatch.setenv("FAKE_SIGNAL", "SIGKILL")
    study = make_study()
    with pytest.raises(SourceError, match=r"trial margin-0\.1_s0: its process was lost.*let fewer"):
        run_study(study, fake, plan_trials(study), folder=tmp_path / "run", processes=2)


def test_a_fault_in_a_process_comes_with_its_traceback(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study()
    with pytest.raises(RuntimeError, match=r"in trial margin-0.1_s[01]:\n.*Traceback[\s\S]*TypeError"):
        run_study(study, divmod, plan_trials(study), folder=tmp_path / "run", processes=2)  # type: ignore[arg-type]


def test_a_killed_study_goes_on_where_it_was(fake: Task, make_study: MakeStudy, tmp_path: Path) -> None:
    """In a process of its own, killed in the third trial after its second epoch was written."""
    study, run = make_study(), tmp_path / "run"
    script = (
        "import sys; from pathlib import Path; from fake_task import prepare\n"
        "from kilnsense.config import StudyConfig\n"
        "from kilnsense.study.plan import plan_trials\nfrom kilnsense.study.run import run_study\n"
        "study = StudyConfig.model_validate_json(sys.argv[1])\n"
        "run_study(study, prepare, plan_trials(study), folder=Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, study.model_dump_json(), str(run)],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "FAKE_STOP": "0.5 0 2",
            "FAKE_SIGNAL": "SIGKILL",
        },
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    trials = plan_trials(study)
    assert [read_finished(run, trial) is not None for trial in trials] == [True, True, False, False]
    begun = len(notes(tmp_path))
    finished = run_study(study, fake, trials, folder=run)
    assert all(one.outcome for one in finished)
    later = [line for line in notes(tmp_path)[begun:] if not line.startswith("prepared")]
    assert later == ["margin 0.5 seed 0 epoch 3", *(f"margin 0.5 seed 1 epoch {n}" for n in range(4))]
    undisturbed = run_study(study, fake, trials, folder=tmp_path / "other")
    assert [one.outcome.scores for one in finished if one.outcome] == [
        one.outcome.scores for one in undisturbed if one.outcome
    ]


def test_the_time_left_is_estimated_from_epochs_and_trials(make_study: MakeStudy) -> None:
    study, clock = make_study(), [0.0]
    first, second, *_ = plan_trials(study)
    tally = Tally(study, total=5, clock=lambda: clock[0])
    tally.done = 1
    clock[0] = 10.0
    assert [tally.told(first, Epoch(n)).seconds_left for n in range(3)] == [None] * 3
    # A network is through, one of four trials (but for its end) in 10 s.
    assert tally.told(first, Epoch(3)).seconds_left == pytest.approx(10 * 3.05 / 0.95)
    clock[0] = 40.0
    over = tally.told(first, Finished(first, None, "diverged"))
    assert (over.done, over.seconds_left) == (2, pytest.approx(120))
    longer = Trial("x", "x", "x", {"training.epochs": 79}, 0)
    assert Tally(study, total=1, clock=lambda: 0.0).told(longer, Epoch(0)).running == (("x", 0),)
    assert tally.told(second, Epoch(0)).seconds_left == pytest.approx(40 * 2.75 / 1.25)


def test_a_network_that_stopped_early_or_diverged(make_study: MakeStudy) -> None:
    study, clock = make_study(task="frames", folds=2), [0.0]
    first, second, *_ = plan_trials(study)
    tally = Tally(study, total=4, clock=lambda: clock[0])
    clock[0] = 8.0
    # What failed at once says nothing of how long the others take.
    assert tally.told(first, Finished(first, None, "diverged")).seconds_left is None
    assert [tally.told(second, Epoch(n)).seconds_left for n in range(2)] == [None, None]
    # Epoch 0 of the next fold: the first network was through after two of its four reports.
    assert tally.told(second, Epoch(0)).seconds_left == pytest.approx(8 * (3 - 3 / 8) / (1 + 3 / 8))


def test_no_process_is_no_way_to_run(fake: Task, make_study: MakeStudy, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--processes: got 0, allowed: 1 and up"):
        run_study(make_study(), fake, (), folder=tmp_path, processes=0)
