"""All folds of a comparison: finished ones are read, the others judged, and somebody is told of it."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kilnsense.compare.entrants import entrants
from kilnsense.compare.frames import Compared
from kilnsense.compare.leak import Leak, measure_leak
from kilnsense.compare.plan import Fold
from kilnsense.compare.result import FoldResult, Points, read_result
from kilnsense.compare.work import (
    Judge,
    Look,
    Ready,
    look_jobs,
    prepare,
    seen_frames,
    steps_of_fold,
    work,
)
from kilnsense.config import CompareConfig
from kilnsense.crew import DONE, Crew, Done

Watch = Callable[[int, int], None]
"""Called with the number of steps done and of all."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything that was said of N frames by every entrant in R repeats.

    Attributes:
        settings, compared, folds: what was compared, on what, how split.
        probabilities: entrant to (R, N, C) calibrated probabilities, of models that had not seen the group.
        reasons: entrant to (R, N) verdicts' reasons.
        results: of each fold, for times, sizes and options.
        leak: what a random split would have flattered.
        points: the first fold in a plane.
        known: how many of the frames the networks have seen, where those of a bundle were kept.
    """

    settings: CompareConfig
    compared: Compared
    folds: tuple[Fold, ...]
    probabilities: Mapping[str, NDArray[np.float64]]
    reasons: Mapping[str, NDArray[np.str_]]
    results: tuple[FoldResult, ...]
    leak: Leak
    points: Points
    known: int = 0


def run_comparison(ready: Ready, *, processes: int, watch: Watch | None = None) -> Outcome:
    """Judges the folds that no earlier run has judged, and gathers all of them.

    Args:
        ready: see `work.prepare`.
        processes: at once; each uses one core.
        watch: is told how far it is.

    Raises:
        KilnsenseError: a fold cannot be trained, a file not be written, or a process was lost.
    """
    settings, places = ready.settings, ready.places
    fingerprint = ready.compared.fingerprint
    missing = [
        number
        for number, fold in enumerate(ready.folds)
        if read_result(places.result(fold), fingerprint=fingerprint) is None
    ]
    looks, judges = look_jobs(ready), [Judge(number) for number in missing]
    tally = _Tally(len(looks) + len(judges) * steps_of_fold(settings), steps_of_fold(settings), watch)
    count = min(processes, max(1, len(looks) + len(judges)))
    again = (lambda: ready) if count == 1 else partial(prepare, settings, places)
    with Crew(again, work, processes=count, name=partial(_named, ready.folds)) as crew:
        if ready.recogniser is not None:  # every fold needs them
            crew.run(looks, tally.hear)
            crew.run(judges, tally.hear)
        else:
            crew.run([*judges, *looks], tally.hear)
    shutil.rmtree(places.run / "checkpoints", ignore_errors=True)  # empty by now
    seen = seen_frames(ready)
    leak = measure_leak(settings, seen.descriptors, ready.compared.data.labels, ready.folds)
    results = [read_result(places.result(fold), fingerprint=fingerprint) for fold in ready.folds]
    judged = [one for one in results if one is not None]
    return replace(gather(settings, ready.compared, ready.folds, judged, leak), known=ready.known)


def gather(
    settings: CompareConfig,
    compared: Compared,
    folds: Sequence[Fold],
    results: Sequence[FoldResult],
    leak: Leak,
) -> Outcome:
    """The folds laid together, each test frame in its row."""
    shape = (settings.repeats, len(compared.data))
    names = entrants(settings)
    probabilities = {name: np.zeros((*shape, len(settings.base.classes))) for name in names}
    reasons = {name: np.full(shape, "", "U16") for name in names}
    for fold, result in zip(folds, results, strict=True):
        for name in names:
            probabilities[name][fold.repeat, fold.test] = result.said[name].probabilities
            reasons[name][fold.repeat, fold.test] = result.said[name].reasons
    points = results[0].points
    assert points is not None  # the first fold always has them
    return Outcome(settings, compared, tuple(folds), probabilities, reasons, tuple(results), leak, points)


def _named(folds: Sequence[Fold], job: Look | Judge) -> str:
    return folds[job.fold].name if isinstance(job, Judge) else f"frames {job.start} to {job.stop}"


class _Tally:
    """Counts steps; a fold that ends early (its networks were found) counts as whole."""

    def __init__(self, total: int, of_fold: int, watch: Watch | None) -> None:
        self.total, self.of_fold, self.watch = total, of_fold, watch
        self.done = 0
        self.begun: dict[Look | Judge, int] = {}

    def hear(self, job: Look | Judge, said: str | Done) -> None:
        """One more step, or the rest of a job."""
        before = self.begun.get(job, 0)
        whole = self.of_fold if isinstance(job, Judge) else 1
        after = whole if said is DONE else min(whole, before + 1)
        self.begun[job] = after
        self.done += after - before
        if self.watch is not None:
            self.watch(self.done, self.total)
