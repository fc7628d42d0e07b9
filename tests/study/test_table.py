"""The table: means and spreads over the seeds, ranks, and the same lines for programs and for people."""

import csv
import io
import statistics

import pytest

from kilnsense.record.study_page import Result
from kilnsense.study.outcome import Outcome, Score
from kilnsense.study.plan import Trial
from kilnsense.study.table import best_result, csv_lines, readable, tabulate
from kilnsense.study.workers import Finished


def finished(setting: str, seed: int, *values: float, judge: str = "nearest") -> Finished:
    scores = (
        Score("fused", judge, dict(zip(("accuracy", "macro_f1"), values, strict=False))),
        Score("descriptors", "svm", {"accuracy": values[0] / 2}),
    )
    return Finished(Trial(f"{setting}_s{seed}", setting, setting, {}, seed), Outcome(scores, 0.0))


FOUR = [
    finished("a", 0, 0.5, 0.9),
    finished("a", 1, 0.7, 0.7),
    finished("b", 0, 0.8, 0.6),
    Finished(Trial("b_s1", "b", "b", {}, 1), None, "diverged"),
    finished("c", 0, 0.8, 0.6),
]


def test_means_spreads_and_ranks() -> None:
    rows = tabulate(FOUR)
    assert [(row.name, row.measure, row.rank) for row in rows if row.features == "fused"] == [
        ("b", "accuracy", 1),
        ("c", "accuracy", 1),
        ("a", "accuracy", 3),
        ("a", "macro_f1", 1),
        ("b", "macro_f1", 2),
        ("c", "macro_f1", 2),
    ]
    a = rows[2]
    assert (a.mean, a.n) == (pytest.approx(0.6), 2)
    assert a.spread == pytest.approx(statistics.stdev([0.5, 0.7]))
    assert (rows[0].mean, rows[0].spread, rows[0].n) == (0.8, None, 1)
    alone = [row for row in rows if row.features == "descriptors"]
    assert [(row.name, row.judge, row.rank) for row in alone] == [
        ("b", "svm", 1),
        ("c", "svm", 1),
        ("a", "svm", 3),
    ]


def test_the_best_is_of_the_first_measure() -> None:
    best = best_result(tabulate(FOUR))
    assert best is not None
    assert (best.name, best.features, best.measure) == ("b", "fused", "accuracy")
    assert best_result(()) is None
    assert tabulate([FOUR[3]]) == ()


def test_the_csv_has_every_digit_and_an_empty_spread() -> None:
    rows = list(csv.DictReader(io.StringIO("".join(csv_lines(tabulate(FOUR))))))
    assert list(rows[0]) == ["name", "features", "judge", "measure", "mean", "spread", "n", "rank"]
    assert (rows[0]["name"], rows[0]["mean"], rows[0]["spread"]) == ("b", "0.8", "")
    assert float(rows[2]["spread"]) == statistics.stdev([0.5, 0.7])


def test_people_see_measures_side_by_side_best_first() -> None:
    columns, rows = readable(tabulate(FOUR))
    assert columns == ("setting", "features", "judge", "accuracy", "macro_f1", "seeds")
    assert [row[:2] for row in rows] == [
        *(("b", "fused"), ("c", "fused"), ("a", "fused")),
        *(("b", "descriptors"), ("c", "descriptors"), ("a", "descriptors")),
    ]
    assert rows[2] == ("a", "fused", "nearest", "0.600 ± 0.141", "0.800 ± 0.141", "2")
    assert rows[3][4] == ""
    same = [Result("x", "fused", "knn", "accuracy", 0.25, None, 1, 1)]
    assert readable(same) == (("setting", "accuracy", "seeds"), [("x", "0.250", "1")])
    assert readable(()) == (("setting", "seeds"), [])
