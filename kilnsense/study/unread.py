"""Settings that nothing in a study reads: to vary one would train and judge the same thing again."""

from collections.abc import Iterator

from kilnsense.assemble import AS_DRAWN
from kilnsense.config import Config, StudyConfig
from kilnsense.errors import ConfigError

TUPLES = "training.tuples"
"""Read by miner `AS_DRAWN` alone."""

_NEVER = {
    "classifier": "name classifiers in judges; options of one of them go into base.classifier",
    "decide": "take it out: a study names a class for every sample",
}
_FRAMES_ONLY = dict.fromkeys(
    ("fusion", "segment", "quality", "image"),
    "take it out: it shapes camera frames, which only task frames has",
)


def check_sections(study: StudyConfig) -> None:
    """Checks that the task reads the section of every path in grid, variants and search.

    Raises:
        ConfigError: it does not; names the path and what to do instead.
    """
    remedies = _NEVER if study.task == "frames" else {**_NEVER, **_FRAMES_ONLY}
    for where, path in _paths(study):
        remedy = remedies.get(path.partition(".")[0])
        if remedy is not None:
            raise ConfigError(
                f"study {study.name}: {where} sets {path}, which nothing in a study of task {study.task} "
                f"reads; {remedy}"
            )


def draws_tuples(config: Config) -> bool:
    """Whether `TUPLES` is read by a model of this config."""
    return AS_DRAWN in (config.metric.miner, config.metric.first_miner)


def _paths(study: StudyConfig) -> Iterator[tuple[str, str]]:
    """Who sets a path, and the path."""
    for variant in study.variants:
        for path in variant.settings:
            yield f"variant {variant.name!r}", path
    for path in study.grid:
        yield "grid", path
    for path in study.search:
        yield "search", path
