"""The files and the page of a comparison: whole, checked, and telling the same."""

import csv
import json
import re
from html import escape
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from kilnsense.compare.files import LEADERBOARD, METRICS, OUT_OF_FOLD, REPORT, write_comparison
from kilnsense.compare.frames import LeftOut
from kilnsense.compare.gallery import MOST_WRONG, show_frames
from kilnsense.compare.metrics_file import Metrics, make_metrics
from kilnsense.compare.page import make_page
from kilnsense.compare.run import Outcome
from kilnsense.compare.slices import slices
from kilnsense.compare.summary import summarise

SKILL = {"knn": 0.6, "svm": 0.9}


def written(outcome: Outcome, folder: Path) -> Metrics:
    summary = summarise(outcome)
    shown, found = show_frames(outcome, summary), slices(outcome, summary.best.name)
    metrics = make_metrics(outcome, summary, found, shown.suspects, shown.twins)
    page = make_page(
        outcome,
        summary,
        shown,
        found,
        synthetic=True,
        command="kilnsense compare x.yaml",
        made="2026-01-01T00:00:00.000Z",
    )
    write_comparison(folder, outcome, summary, metrics, page)
    return metrics


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture
def outcome(make_outcome) -> Outcome:  # type: ignore[no-untyped-def]
    result: Outcome = make_outcome(SKILL, left_out=(LeftOut("<b>.png", "truncated", "it ends early"),))
    return result


def test_metrics_json_keeps_its_schema(outcome: Outcome, tmp_path: Path) -> None:
    metrics = written(outcome, tmp_path)
    read = json.loads((tmp_path / METRICS).read_text(encoding="utf-8"))
    assert read["schema"] == "kilnsense.compare/1"
    assert Metrics.model_validate(read) == metrics
    assert [one["name"] for one in read["entrants"]] == [one.name for one in summarise(outcome).standings]
    assert read["left_out_counts"] == {"truncated": 1}
    assert read["frames"] == 108
    assert read["leak"] == {"grouped": 0.6, "random": 0.9}
    for change in ({"extra": 1}, {"frames": "many"}, {"leak": {"grouped": 0.5}}):
        with pytest.raises(ValidationError):
            Metrics.model_validate({**read, **change})


def test_the_tables_say_what_was_said(outcome: Outcome, tmp_path: Path) -> None:
    written(outcome, tmp_path)
    rows = rows_of(tmp_path / OUT_OF_FOLD)
    assert len(rows) == 5 * 2 * 108
    data = outcome.compared.data
    places = {frame.source: number for number, frame in enumerate(data.frames)}
    for row in rows[::37]:
        number, repeat = places[row["path"]], int(row["repeat"]) - 1
        values = outcome.probabilities[row["classifier"]][repeat, number]
        np.testing.assert_allclose([float(row[f"p_{name}"]) for name in data.classes], values, atol=1e-6)
        assert row["said"] == data.classes[int(values.argmax())]
        assert row["label"] == data.names[number]
        fold = next(f for f in outcome.folds if f.repeat == repeat and number in f.test)
        assert int(row["fold"]) == fold.number + 1
    board = rows_of(tmp_path / LEADERBOARD)
    assert [row["classifier"] for row in board] == [one.name for one in summarise(outcome).standings]
    for row in board:
        assert float(row["macro_f1_low"]) <= float(row["macro_f1"]) <= float(row["macro_f1_high"])


def test_the_page_answers_first_and_fetches_nothing(outcome: Outcome, tmp_path: Path) -> None:
    metrics = written(outcome, tmp_path)
    text = (tmp_path / REPORT).read_text(encoding="utf-8")
    assert len(text) < 5_000_000
    start = text[text.index("<h1") : text.index("<h1") + 1500]
    assert escape(metrics.verdict) in start
    assert escape(metrics.beside_baselines) in start
    assert "Synthetic" in start
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]+"|url\((?!data:|#)[^)]*\)|<script', text)
    assert "&lt;b&gt;.png" in text
    assert "<b>.png" not in text


def test_a_cell_shows_the_surest_mistakes_and_the_least_sure_right_answers(make_outcome) -> None:  # type: ignore[no-untyped-def]
    outcome = make_outcome({"svm": 0.7})
    table = outcome.probabilities["svm"]
    rng = np.random.default_rng(3)
    sure = rng.uniform(0.4, 0.95, table.shape[1])
    for row, said in enumerate(table[0].argmax(axis=1)):
        table[:, row] = (1 - sure[row]) / 2
        table[:, row, said] = sure[row]
    shown = show_frames(outcome, summarise(outcome))
    matrix, shown_in_all = next(one for one in shown.matrices if one.name == "svm"), 0
    for truth, row in enumerate(matrix.rows):
        for said, cell in enumerate(row):
            values = [float(card.headline.split()[-1]) for card in cell.cards]
            assert values == sorted(values, reverse=truth != said)
            shown_in_all += len(values) > 1
    assert shown_in_all > 4


def test_every_cell_of_a_matrix_opens_its_frames(outcome: Outcome, tmp_path: Path) -> None:
    written(outcome, tmp_path)
    text = (tmp_path / REPORT).read_text(encoding="utf-8")
    links, places = re.findall(r'href="#(cell-[^"]+)"', text), re.findall(r'id="(cell-[^"]+)"', text)
    assert sorted(links) == sorted(places)
    drawn = [one for one in summarise(outcome).standings if (one.confusion.sum(axis=0) > 0).sum() > 1]
    assert len(links) == 9 * len(drawn)
    shown = show_frames(outcome, summarise(outcome))
    labels = outcome.compared.data.labels
    for matrix in shown.matrices:
        said = outcome.probabilities[matrix.name].argmax(axis=2)
        for truth, row in enumerate(matrix.rows):
            for column, cell in enumerate(row):
                times = ((said == column) & (labels == truth)).sum(axis=0)
                assert cell.count == str(times.sum())
                assert len(cell.cards) + cell.more == (times > 0).sum()
                assert len(cell.cards) <= MOST_WRONG
                assert cell.right == (truth == column)


def test_the_worst_mistakes_are_mistakes_and_the_surest_come_first(outcome: Outcome) -> None:
    summary = summarise(outcome)
    table = outcome.probabilities[summary.best.name].mean(axis=0)
    labels, data = outcome.compared.data.labels, outcome.compared.data
    mistakes = show_frames(outcome, summary).galleries[0]
    paths = [card.lines[-1] for card in mistakes.cards]
    rows = [next(n for n, frame in enumerate(data.frames) if frame.source == path) for path in paths]
    assert rows
    assert set(rows) == set(np.flatnonzero(table.argmax(axis=1) != labels).tolist())
    leads = [table[row].max() - table[row, labels[row]] for row in rows]
    assert leads == sorted(leads, reverse=True)


def test_slices_cover_every_frame_and_the_worst_group_comes_first(outcome: Outcome) -> None:
    found = slices(outcome, "svm")
    groups = [one for one in found if one.kind == "group"]
    assert sum(one.frames for one in groups) == 108
    assert [one.right["svm"] for one in groups] == sorted(one.right["svm"] for one in groups)
    data = outcome.compared.data
    worst = groups[0]
    rows = np.flatnonzero(data.groups == worst.name)
    said = outcome.probabilities["svm"][:, rows].argmax(axis=2)
    assert worst.right["svm"] == pytest.approx((said == data.labels[rows]).mean())
    assert worst.wrong in data.classes
    assert [one.name for one in found if one.kind == "quality"] == ["no flag"]


def test_slices_by_quality(make_outcome) -> None:  # type: ignore[no-untyped-def]
    from dataclasses import replace

    outcome = make_outcome(SKILL)
    qualities = tuple(
        replace(one, luminance=number / 100, flags=("dark",) if number < 5 else ())
        for number, one in enumerate(outcome.compared.qualities)
    )
    changed = replace(outcome, compared=replace(outcome.compared, qualities=qualities))
    found = {one.name: one.frames for one in slices(changed, "svm") if one.kind == "quality"}
    assert found["flag: dark"] == 5
    assert found["no flag"] == 103
    assert sorted(frames for name, frames in found.items() if name.startswith("luminance")) == [36, 36, 36]
