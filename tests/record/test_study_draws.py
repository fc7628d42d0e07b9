import pytest

from kilnsense.errors import InputError
from kilnsense.record.standing import MOST_SHOWN
from kilnsense.record.study_draws import DrawLine, DrawTable
from kilnsense.record.study_page import StudyPage, render_study


def table(*validations: float | None) -> DrawTable:
    lines = [DrawLine(f"draw {n}", (f"0.{n}",), value) for n, value in enumerate(validations, start=1)]
    return DrawTable(("<margin>",), tuple(lines))


def test_the_best_validation_comes_first_and_what_failed_last() -> None:
    names = [line.name for line in table(0.5, None, -0.5, 0.9, 0.5).ordered]
    assert names == ["draw 4", "draw 1", "draw 5", "draw 3", "draw 2"]


def test_many_draws_are_folded() -> None:
    html = render_study(StudyPage("t", (), draws=table(*[n / 100 for n in range(MOST_SHOWN + 3)], None)))
    assert "<summary>4 more draws</summary>" in html
    assert html.count('<th scope="row">draw ') == MOST_SHOWN + 4
    assert html.count('class="tied"><th scope="row">draw ') == 1
    assert html.index("draw 18<") < html.index("draw 17<") < html.index("<summary>4 more")
    assert html.index("<summary>4 more") < html.index("draw 1<") < html.index("no result")
    assert "&lt;margin&gt;" in html
    assert "more draws" not in render_study(StudyPage("t", (), draws=table(0.5)))


def test_every_column_needs_a_cell() -> None:
    with pytest.raises(InputError, match="DrawLine 'a': got 2 cells, allowed: one for each of the columns x"):
        DrawTable(("x",), (DrawLine("a", ("1", "2"), 0.5),))
