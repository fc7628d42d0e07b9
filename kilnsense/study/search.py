"""A search for the best settings: variants, grid and ranges as one space, drawn from by Optuna's TPE.

TPE: Bergstra, Bardenet, Bengio, Kegl, "Algorithms for hyper-parameter optimization", NIPS 2011. What counts
is the validation of a draw's first seed. The best draw is then trained with the other seeds too, and its test
scores are reported. Those of the other draws stay in their trials' files: no choice looks at test scores. The
search chooses networks; every judge of the study is then compared on the winner. Draws lie in a journal in
the run's folder. The sampler of a draw is seeded by the number of draws before it, so a search that was
killed goes on as if undisturbed.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from kilnsense.assemble import AS_DRAWN
from kilnsense.config import Range, StudyConfig, Variant
from kilnsense.errors import ConfigError
from kilnsense.seeds import derive
from kilnsense.study.draws import Draw
from kilnsense.study.plan import Trial, overlap, plan_trials, study_variants, trial_config
from kilnsense.study.run import Tally, Watch, finish
from kilnsense.study.unread import TUPLES, draws_tuples
from kilnsense.study.workers import Finished, Task, Workers, read_finished

JOURNAL = "search.journal"
"""The file of a search, in the folder of its run."""

_DIGITS = 4  # of a drawn number: what is reported is what was trained with, and short
_STARTUP = 10  # draws by chance before TPE has something to go by, fewer in a short search


@dataclass(frozen=True)
class Found:
    """What a search has found.

    Attributes:
        draws: all of them in order; the same settings may have come twice, and were trained once.
        best: the draw with the best validation; None where all failed.
        finished: the best with every seed of the study.
        failed: trials of draws that failed.
    """

    draws: tuple[Draw, ...]
    best: Draw | None
    finished: tuple[Finished, ...]
    failed: tuple[Finished, ...]


def search_study(
    study: StudyConfig,
    task: Task,
    *,
    draws: int,
    folder: Path,
    processes: int = 1,
    watch: Watch | None = None,
) -> Found:
    """Draws so many settings, maximises `Outcome.validation`, and trains the best with all seeds.

    Args:
        study: see `check_space`.
        task, folder, processes, watch: see `run_study`; so many draws as there are processes are made at a
            time.
        draws: how many, those of an earlier run in the same folder included.

    Raises:
        KilnsenseError: as `run_study`.
    """
    tally = Tally(study, total=draws + len(study.seeds) - 1)
    with _opened(folder) as board, Workers(study, task, folder, processes=processes) as workers:
        while True:
            told = [row for row in _rows(board) if row.state != TrialState.RUNNING]
            tally.done = len(told)
            if len(told) >= draws:
                break
            batch = _batch(board, study, size=min(processes, draws - len(told)), draws=draws)
            trials = {row.number: _trial(row, study.seeds[0]) for row in batch}
            once = {trial.name: trial for trial in trials.values()}
            for one in finish(workers, list(once.values()), tally=tally, watch=watch):
                numbers = [number for number, trial in trials.items() if trial.name == one.trial.name]
                _tell(board, numbers, one)
        made = tuple(_draw(row, study) for row in _rows(board)[:draws])
        best = max((d for d in made if d.validation is not None), key=_validation, default=None)
        finished: tuple[Finished, ...] = ()
        if best is not None:
            seeds = [_with_seed(best.trial, seed) for seed in study.seeds]
            tally.done -= 1  # the best draw's own seed is among them
            finished = finish(workers, seeds, tally=tally, watch=watch)
    lost = {draw.trial.name: draw.trial for draw in made if draw.validation is None}
    failed = tuple(over for trial in lost.values() if (over := read_finished(folder, trial)) is not None)
    return Found(made, best, finished, failed)


def check_space(study: StudyConfig) -> None:
    """Checks every value of the space on its own, before any work; which fit together, drawing shows.

    What a variant or the grid sets is not drawn. The ranges that every study comes with step back silently;
    for one that the study names this is an error.

    Raises:
        ConfigError: a path or a value does not fit; a path is set twice.
    """
    plan_trials(study)
    variants = study_variants(study)
    if "search" in study.model_fields_set:
        for path in study.search:
            setters = [*study.grid, *(key for variant in variants for key in variant.settings)]
            if any(overlap(path, key) for key in setters):
                raise ConfigError(
                    f"study {study.name}: search draws {path}, which a variant or the grid sets; take one out"
                )
    first = {path: values[0] for path, values in study.grid.items()}
    configs = []
    for variant in variants:
        for path, space in _drawn(study, variant).items():
            for value in _ends(space):
                settings = {**variant.settings, **first, path: value}
                trial = Trial("", f"{path} {value}", variant.name, settings, study.seeds[0])
                configs.append(trial_config(study, trial))
    if TUPLES in study.search and not any(map(draws_tuples, configs)):
        raise ConfigError(
            f"study {study.name}: search draws {TUPLES}, which miner {AS_DRAWN} alone reads; add {AS_DRAWN} "
            "to what search draws for metric.miner, or take it out"
        )


@contextmanager
def _opened(folder: Path) -> Iterator[optuna.Study]:
    """The draws of the run in `folder`; where it ends before any trial began, no file is left of them."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    try:
        yield optuna.create_study(
            study_name="kilnsense", storage=storage, direction="maximize", load_if_exists=True
        )
    except BaseException:
        if not (folder / "trials").exists():
            (folder / JOURNAL).unlink(missing_ok=True)
        raise


def _rows(board: optuna.Study) -> list[FrozenTrial]:
    """The draws so far; one that a kill cut off in the middle of being made is none."""
    return [row for row in board.get_trials(deepcopy=False) if "draw" in row.user_attrs]


def _batch(board: optuna.Study, study: StudyConfig, *, size: int, draws: int) -> list[FrozenTrial]:
    """Draws that a killed run had in work, and new ones up to `size`."""
    for row in board.get_trials(deepcopy=False):
        if row.state == TrialState.RUNNING and "draw" not in row.user_attrs:
            board.tell(row.number, state=TrialState.FAIL)
    while len(running := [row for row in _rows(board) if row.state == TrialState.RUNNING]) < size:
        rows = _rows(board)
        board.sampler = optuna.samplers.TPESampler(
            seed=derive(study.seeds[0], f"search.{len(rows)}"),
            n_startup_trials=min(_STARTUP, max(3, draws // 4)),
        )
        asked = board.ask()
        made = _make(asked, study)
        same = [row.user_attrs["draw"] for row in rows if _settings(row) == made]
        number = same[0]["number"] if same else len(rows) + 1
        asked.set_user_attr("draw", {"number": number, **made})
    return running[:size]


def _make(asked: optuna.Trial, study: StudyConfig) -> dict[str, Any]:
    """Variant and settings of a new draw, as JSON holds them."""
    variants = study_variants(study)
    names = [variant.name for variant in variants]
    variant = variants[names.index(_choose(asked, "variant", names))]
    settings = dict(variant.settings)
    settings |= {path: _choose(asked, path, values) for path, values in study.grid.items()}
    for path, space in _drawn(study, variant).items():
        if not isinstance(space, Range):
            settings[path] = _choose(asked, path, space)
        elif space.whole:
            settings[path] = asked.suggest_int(path, int(space.low), int(space.high), log=space.log)
        else:
            value = float(f"{asked.suggest_float(path, space.low, space.high, log=space.log):.{_DIGITS}g}")
            settings[path] = min(max(value, space.low), space.high)
    made: dict[str, Any] = json.loads(json.dumps({"variant": variant.name, "settings": settings}))
    return made


def _choose(asked: optuna.Trial, name: str, values: Sequence[Any]) -> Any:
    """One of the values, any that YAML can hold; nothing is drawn where there is one."""
    if len(values) == 1:
        return values[0]
    texts = [json.dumps(value) for value in values]
    return values[texts.index(asked.suggest_categorical(name, texts))]


def _drawn(study: StudyConfig, variant: Variant) -> dict[str, Range | tuple[Any, ...]]:
    """What is drawn beside variant and grid: paths that neither of them sets."""
    taken = [*study.grid, *variant.settings]
    return {
        path: space for path, space in study.search.items() if not any(overlap(path, key) for key in taken)
    }


def _ends(space: Range | tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(space, Range):
        return space
    return (int(space.low), int(space.high)) if space.whole else (space.low, space.high)


def _settings(row: FrozenTrial) -> dict[str, Any]:
    return {key: row.user_attrs["draw"][key] for key in ("variant", "settings")}


def _trial(row: FrozenTrial, seed: int) -> Trial:
    draw = row.user_attrs["draw"]
    number = draw["number"]
    return Trial(f"draw-{number:03d}_s{seed}", f"draw {number}", draw["variant"], draw["settings"], seed)


def _with_seed(trial: Trial, seed: int) -> Trial:
    return Trial(
        trial.name.rpartition("_s")[0] + f"_s{seed}", trial.setting, trial.variant, trial.settings, seed
    )


def _draw(row: FrozenTrial, study: StudyConfig) -> Draw:
    return Draw(_trial(row, study.seeds[0]), row.value if row.state == TrialState.COMPLETE else None)


def _tell(board: optuna.Study, numbers: Sequence[int], one: Finished) -> None:
    for number in numbers:
        if one.outcome is None:
            board.tell(number, state=TrialState.FAIL)
        else:
            board.tell(number, one.outcome.validation)


def _validation(draw: Draw) -> float:
    return draw.validation if draw.validation is not None else float("-inf")
