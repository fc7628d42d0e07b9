import pytest

from kilnsense.record.study_page import Curve, Series, Sweep
from kilnsense.record.study_sections import averaged, kind_plots, learning_plots, sweep_plots

NAN = float("nan")


def test_curves_of_one_name_are_averaged_over_those_that_got_so_far() -> None:
    curves = [
        Curve("b", (4.0, 2.0, 1.0), (0.1, 0.2, 0.3), {"easy": (1, 2, 3)}),
        Curve("a", (9.0,)),
        Curve("b", (2.0, NAN), (0.3, 0.4), {"easy": (3, 4), "hard": (5, 6)}),
    ]
    first, second = averaged(curves, {"b": 1})
    assert (first.name, second.name) == ("b", "a")
    assert first.loss == (3.0, 2.0, 1.0)
    assert first.accuracy == pytest.approx((0.2, 0.3, 0.3))
    assert first.kinds == {"easy": (2.0, 3.0, 3.0), "hard": (5.0, 6.0)}
    assert (second.accuracy, second.kinds) == ((), {})


def test_settings_are_drawn_in_the_order_of_their_places() -> None:
    curves = [Curve(name, (1.0,)) for name in ("last", "third", "first")]
    order = {"first": 1, "third": 3}
    assert [curve.name for curve in averaged(curves, order)] == ["first", "third", "last"]


def test_the_note_of_a_sweep_names_the_best_value() -> None:
    low = Series("low", ((0.1, 0.5, 0.01), (0.2, 0.6, 0.01)))
    high = Series("high", ((0.1, 0.7, 0.02), (0.2, 0.65, None)))
    (plot,) = sweep_plots([Sweep("margin", "macro_f1", (low, high), "fused"), Sweep("x", "m", ())])
    assert plot.title == "macro f1 by margin"
    assert plot.note == "Best at 0.1 with high: 0.700 ± 0.020. Bands: one spread of the seeds. Held: fused."
    (alone,) = sweep_plots([Sweep("margin", "m", (Series("", ((1, 0.5, None),)),))])
    assert alone.note == "Best at 1: 0.500."


def test_what_was_not_measured_is_not_drawn() -> None:
    plots = learning_plots(averaged([Curve("a", (NAN,)), Curve("b", (NAN,), (0.5,))], {}))
    assert [plot.title for plot in plots] == ["Validation accuracy"]
    assert learning_plots([]) == []


def test_more_settings_than_lines_are_said_to_be_grey() -> None:
    curves = averaged([Curve(f"s{n}", (1.0,)) for n in range(11)], {})
    assert learning_plots(curves)[0].note.endswith("Grey: the 3 other settings.")


def test_kinds_that_never_came_up_are_left_out() -> None:
    curves = [
        Curve("pairs", (1.0, 1.0), kinds={"easy": (0, 0), "genuine": (5, 5), "inside": (1, 0)}),
        Curve("none", (1.0, 1.0), kinds={"easy": (0, 0)}),
    ]
    (plot,) = kind_plots(averaged(curves, {}))
    assert plot.title == "pairs"
    assert ("easy" in plot.svg, "genuine" in plot.svg, "inside" in plot.svg) == (False, True, True)
