"""The table of a study: for every setting and way to judge the mean over seeds, its spread and its rank."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields

import numpy as np

from kilnsense.csv_line import csv_line
from kilnsense.record.standing import amount
from kilnsense.record.study_page import Result
from kilnsense.study.workers import Finished

Key = tuple[str, str, str, str]


def tabulate(finished: Sequence[Finished]) -> tuple[Result, ...]:
    """One line per setting, features, judge and measure.

    The lines of one measure, features and judge stand together, best mean first; rank counts among them, and
    equal means share it. Spread is the sample standard deviation over the seeds (ddof 1), None for one seed.
    Trials that failed have no line and are not in `n`.
    """
    scores: dict[Key, list[float]] = {}
    for one in finished:
        for score in one.outcome.scores if one.outcome is not None else ():
            for measure, value in score.values.items():
                scores.setdefault((one.trial.setting, score.features, score.judge, measure), []).append(value)
    blocks: dict[Key, list[Key]] = {}
    for key in scores:
        blocks.setdefault(("", *key[1:]), []).append(key)
    results = []
    for block in blocks.values():
        means = {key: float(np.mean(scores[key])) for key in block}
        for key in sorted(block, key=lambda key: -means[key]):  # stable: equals stay in the order of the plan
            rank = 1 + sum(mean > means[key] + 1e-12 for mean in means.values())
            results.append(Result(*key, means[key], _spread(scores[key]), len(scores[key]), rank))
    return tuple(results)


def best_result(results: Sequence[Result]) -> Result | None:
    """The best mean of the first measure, whatever features and judge it is of; None where there is none."""
    same = [result for result in results if result.measure == results[0].measure]
    return max(same, key=lambda result: result.mean, default=None)


def csv_lines(results: Sequence[Result]) -> Iterator[str]:
    """study.csv, with full digits; the spread of one seed is empty."""
    yield csv_line([field.name for field in fields(Result)])
    for result in results:
        yield csv_line(["" if cell is None else cell for cell in asdict(result).values()])


def readable(results: Sequence[Result]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows for people: best first by the first measure, one column per measure.

    Columns in which all rows agree, other than the setting, are left out.
    """
    measures = list(dict.fromkeys(result.measure for result in results))
    table: dict[tuple[str, str, str], dict[str, Result]] = {}
    for result in results:
        table.setdefault((result.name, result.features, result.judge), {})[result.measure] = result
    keys = sorted(table, key=lambda key: -table[key][measures[0]].mean if measures[0] in table[key] else 1.0)
    shown = [n for n in range(3) if n == 0 or len({key[n] for key in keys}) > 1]
    columns = (*(("setting", "features", "judge")[n] for n in shown), *measures, "seeds")
    rows = []
    for key in keys:
        cells = [amount(table[key][measure]) if measure in table[key] else "" for measure in measures]
        seeds = max(result.n for result in table[key].values())
        rows.append((*(key[n] for n in shown), *cells, str(seeds)))
    return columns, rows


def _spread(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
