import numpy as np
import pytest

from kilnsense.record.standing import (
    MOST_SHOWN,
    Block,
    Table,
    best_of_each,
    rivals,
    standings,
    verdict,
)
from kilnsense.record.study_page import Result


def result(name: str, mean: float, spread: float | None = 0.01, features: str = "fused") -> Result:
    return Result(name, features, "nearest", "balanced_accuracy", mean, spread, 1 if spread is None else 3, 1)


def test_lines_stand_best_first_and_equal_means_share_a_place() -> None:
    lines = standings([result("a", 0.7), result("b", 0.9), result("c", 0.9), result("d", 0.8)])
    assert [(line.result.name, line.place) for line in lines] == [("b", 1), ("c", 1), ("d", 3), ("a", 4)]
    assert [line.behind for line in lines] == pytest.approx([0.0, 0.0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("best", "other", "rest", "tied"),
    [
        (0.03, 0.001, 0.001, True),  # the winner's own seeds differ by more than the lead
        (0.001, 0.03, 0.001, True),  # so do those of the other
        (0.001, 0.001, 0.001, False),
        (0.0, 0.0, 0.03, True),  # both are even by chance: the lines around say what seeds do
    ],
)
def test_a_tie_is_a_lead_within_the_larger_spread(best: float, other: float, rest: float, tied: bool) -> None:
    others = [result(f"r{n}", 0.5, rest) for n in range(5)]
    lines = standings([result("b", 0.90, best), result("o", 0.88, other), *others])
    assert [line.tied for line in lines] == [True, tied, *[False] * 5]
    assert rivals(lines)[0].tied is tied


def test_rivals_are_other_settings_by_their_best_line() -> None:
    lines = standings(
        [
            result("win", 0.9),
            result("win", 0.89, features="crop"),
            result("next", 0.8),
            result("next", 0.85, features="crop"),
        ]
    )
    (rival,) = rivals(lines)
    assert rival.result.features == "crop"
    assert rival.lead == pytest.approx(0.05)


def test_the_verdict_says_by_how_much_and_against_what() -> None:
    clear = standings([result("win", 0.95), result("next", 0.9), result("last", 0.5)])
    assert verdict(clear) == (
        "win",
        " is best: balanced accuracy 0.950 ± 0.010 over 3 seeds, 0.050 above next: "
        "5.0 times the spread of the seeds (0.010).",
    )
    close = standings([result("win", 0.905), result("next", 0.9), result("third", 0.899), result("d", 0.5)])
    assert verdict(close)[1] == (
        " comes first: balanced accuracy 0.905 ± 0.010 over 3 seeds. But its lead is within the spread of "
        "the seeds (0.010): 0.005 above next, and so is that over 1 more."
    )


def test_the_verdict_of_single_seeds_promises_nothing() -> None:
    lines = standings([result("win", 0.95, None), result("next", 0.5, None)])
    assert not any(line.tied for line in lines)
    assert verdict(lines)[1].endswith(
        "with one seed, 0.450 above next. One seed each, so the lead may be chance."
    )


def test_the_verdict_names_features_where_they_differ() -> None:
    lines = standings([result("win", 0.95), result("win", 0.8, features="crop")])
    assert verdict(lines) == (
        "win (fused features)",
        " reaches balanced accuracy 0.950 ± 0.010 over 3 seeds. No other setting was tried.",
    )


def test_a_verdict_without_any_spread_does_not_divide_by_it() -> None:
    lines = standings([result("win", 0.95, 0.0), result("next", 0.9, 0.0)])
    assert verdict(lines)[1].endswith("0.050 above next.")


def test_most_lines_are_folded_but_no_tie_is() -> None:
    rng = np.random.default_rng(0)
    clear = Table("m", standings([result(f"s{n}", 0.9 - 0.05 * n) for n in range(20)]))
    assert (len(clear.shown.lines), len(clear.folded.lines)) == (MOST_SHOWN, 20 - MOST_SHOWN)
    tied = Table("m", standings([result(f"s{n}", 0.9 + 0.001 * rng.random()) for n in range(22)]))
    assert (len(tied.shown.lines), len(tied.folded.lines)) == (22, 0)
    many = Table("m", standings([result(f"s{n}", 0.9) for n in range(300)]))
    assert len(many.shown.lines) == 2 * MOST_SHOWN


def test_bars_fill_their_axis() -> None:
    block = Block(standings([result("a", 0.9, 0.1), result("b", 0.5, 0.0)]))
    assert (block.low, block.high) == (0.5, 1.0)
    wide, narrow = (block.bar(line.result) for line in block.lines)
    assert (wide.low, wide.mean, wide.high) == pytest.approx((60.0, 80.0, 100.0))
    assert (narrow.low, narrow.mean, narrow.high) == (0.0, 0.0, 0.0)
    alone = Block(standings([result("a", 0.9, None)]))
    assert alone.bar(alone.lines[0].result).mean == 50.0


def test_the_grid_holds_the_best_of_each_and_leaves_gaps() -> None:
    lines = standings(
        [
            Result("a", "crop", "svm", "m", 0.6, None, 1, 1),
            Result("b", "crop", "svm", "m", 0.7, None, 1, 1),
            Result("a", "fused", "nearest", "m", 0.9, None, 1, 1),
            Result("a", "crop", "nearest", "m", 0.5, None, 1, 1),
        ]
    )
    grid = best_of_each(lines)
    assert grid is not None
    assert grid.judges == ("nearest", "svm")
    means = [[cell and cell.result.mean for cell in cells] for _, cells in grid.rows]
    assert [name for name, _ in grid.rows] == ["fused", "crop"]
    assert means == [[0.9, None], [0.5, 0.7]]
    depths = [grid.depth(cell) for _, cells in grid.rows for cell in cells if cell]
    assert depths == pytest.approx([1.0, 0.0, 0.5])
    assert best_of_each(lines[:1]) is None


def test_the_winner_of_a_search_is_not_said_to_stand_alone() -> None:
    lines = standings([result("draw 3", 0.95)])
    assert verdict(lines)[1].endswith(" over 3 seeds. No other setting was tried.")
    assert verdict(lines, drawn=40)[1].endswith(" over 3 seeds. It has the best validation of 40 settings.")
    assert verdict(lines, drawn=1) == verdict(lines)
