"""Where the time of `kilnsense label` goes, stage by stage.

The stages of a file are timed in one process, on the way that a worker goes (`label_portion`): CPU time, the
least of several rounds. `start` is the command on as many files as it has processes; `tables` writes the CSV.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2

from kilnsense import recogniser as way
from kilnsense.label import portion
from kilnsense.label.orders import Job
from kilnsense.label.portion import label_portion
from kilnsense.label.run import publish_tables
from kilnsense.recogniser import Recogniser
from kilnsense.record.store import FILE, open_store

STAGES: dict[str, tuple[tuple[ModuleType, str], ...]] = {
    "decode": ((portion, "load_one"),),
    "quality": ((way, "assess"),),
    "segmentation": ((way, "segment"), (way, "regions")),
    "descriptors": ((way, "describe"),),
    "networks": ((way, "embed"),),
    "classifier": ((way, "score_rows"), (way, "decide")),
}
"""Stage to the functions that it consists of, each with the module that calls it."""
ROUNDS = 5


def stage_ms(recogniser: Recogniser, paths: Sequence[Path], root: Path) -> dict[str, float]:
    """CPU milliseconds a file in each stage, read and decoded first, and in all that is between: `other`."""
    cv2.setNumThreads(1)
    job = Job(0, tuple((n, path.relative_to(root).as_posix()) for n, path in enumerate(paths)), {})
    rounds = []
    for _ in range(ROUNDS):
        spent: defaultdict[str, float] = defaultdict(float)
        with ExitStack() as clocks:
            for stage, functions in STAGES.items():
                for module, name in functions:
                    clocks.enter_context(_timed(module, name, stage, spent))
            begun = time.process_time()
            label_portion(job, recogniser, root=root, every=1)
            spent["other"] = time.process_time() - begun - sum(spent.values())
        rounds.append(spent)
    return {stage: 1000 * min(spent[stage] for spent in rounds) / len(paths) for stage in (*STAGES, "other")}


def tables_s(run: Path, folder: Path, classes: tuple[str, ...]) -> float:
    """Seconds in which the table of a run is written, here into another folder."""
    with open_store(run / FILE) as store:
        begun = time.perf_counter()
        publish_tables(store, folder, classes, ("csv",))
        return time.perf_counter() - begun


def shares(
    stages: Mapping[str, float], start: float, tables: float, *, files: int, processes: int
) -> dict[str, float]:
    """The share of each stage in the wall time of a run of so many files, shared by so many processes."""
    seconds = {stage: files * ms / 1000 / processes for stage, ms in stages.items()}
    seconds |= {"start": start, "tables": tables}
    whole = sum(seconds.values())
    return {f"share_{stage}": part / whole for stage, part in seconds.items()}


@contextmanager
def _timed(module: ModuleType, name: str, stage: str, spent: defaultdict[str, float]) -> Iterator[None]:
    """Adds the CPU seconds of a function to a stage, as long as the block lasts."""
    function: Callable[..., Any] = getattr(module, name)

    def timed(*given: Any, **named: Any) -> Any:
        begun = time.process_time()
        try:
            return function(*given, **named)
        finally:
            spent[stage] += time.process_time() - begun

    setattr(module, name, timed)
    try:
        yield
    finally:
        setattr(module, name, function)
