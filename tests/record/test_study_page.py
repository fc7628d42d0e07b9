import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.record.report import Figure
from kilnsense.record.study_page import (
    Cloud,
    Curve,
    Embedding,
    Failure,
    Result,
    Series,
    StudyPage,
    Sweep,
    render_study,
)

NASTY = "<script>alert('x')</script>"
RNG = np.random.default_rng(0)


def results(name: str, mean: float, spread: float | None = 0.01) -> tuple[Result, ...]:
    n = 1 if spread is None else 3
    return (
        Result(name, "fused", "nearest", "accuracy", mean, spread, n, 1),
        Result(name, "fused", "nearest", "macro_f1", mean - 0.05, spread, n, 1),
    )


def embedding(name: str) -> Embedding:
    clouds = [Cloud(part, RNG.normal(size=(30, 2)), RNG.integers(2, size=30)) for part in ("train", "test")]
    return Embedding(name, ("under", NASTY), tuple(clouds), "seed 0")


PAGE = StudyPage(
    title="ways & means",
    results=(*results("last", 0.5), *results("win", 0.95), *results("next", 0.9)),
    figures=(Figure("images per second", "2140"),),
    sweeps=(Sweep("metric.margin", "accuracy", (Series("win", ((0.1, 0.9, 0.01), (1.0, 0.95, 0.02))),)),),
    curves=(Curve("win", (1.0, 0.5), (0.6, 0.9), {"easy": (1.0, 5.0), "hard": (5.0, 1.0)}),),
    embeddings=(embedding("last"), embedding("win")),
    failures=(Failure("broken, seed 1", "loss is not finite"),),
    provenance=(("command", "kilnsense study ways.yaml"),),
    config="name: ways\n",
)


BARE = replace(PAGE, sweeps=(), curves=(), embeddings=())
"""The same without plots, which take their time."""


@cache
def whole() -> str:
    """`PAGE` rendered."""
    return render_study(PAGE)


class Parsed(HTMLParser):
    """Counts open tags; collects the tags, what a browser would fetch, and the texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        sources = [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.fetched += [source for source in sources if not source.startswith("#")]
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def said(self) -> str:
        """All that a reader sees, as one line."""
        return " ".join("".join(self.texts).split())


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    text = whole()
    page = Parsed(text)
    assert len(page.fetched) == 3  # the icon and two embeddings
    assert all(address.startswith("data:") for address in page.fetched)
    assert not {"script", "iframe", "object", "form"} & set(page.tags)
    assert not re.search(r"https?://|url\((?!#)|@import", text)
    assert "default-src 'none'" in text


def test_the_answer_comes_first() -> None:
    said = Parsed(whole()).said
    marks = [
        "ways & means win is best: accuracy 0.950 ± 0.010 over 3 seeds, 0.050 above next: 5.0 times the",
        "By the other measures: macro f1 – win, 0.900 ± 0.010.",
        "best accuracy0.950± 0.010; win",
        "next setting0.900± 0.010; next",
        "lead0.050beyond the spread of the seeds, 0.010",
        "images per second2140",
        "By accuracy, best first",
        "By macro f1, best first",
        "✗ loss is not finite",
        "accuracy by metric.margin",
        "Embeddings",
        "How they learned",
        "What they learned from",
        "kilnsense study ways.yaml",
    ]
    assert [said.find(mark) for mark in marks] == sorted(said.index(mark) for mark in marks)


def test_every_text_is_escaped() -> None:
    page = StudyPage(
        title=NASTY,
        results=tuple(
            Result(NASTY + str(n), NASTY + str(n), NASTY + str(n), NASTY, 0.5 + 0.1 * n, 0.01, 2, 1)
            for n in range(3)
        ),
        figures=(Figure(NASTY, NASTY, NASTY),),
        notice=NASTY,
        sweeps=(Sweep(NASTY, NASTY, (Series(NASTY, ((1.0, 0.5, 0.1),)),), NASTY),),
        curves=(Curve(NASTY, (1.0, 0.5), (), {NASTY: (1.0, 1.0)}),),
        embeddings=(replace(embedding(NASTY), note=NASTY),),
        failures=(Failure(NASTY, NASTY),),
        provenance=((NASTY, NASTY),),
        config=NASTY,
    )
    text = render_study(page)
    assert "script" not in Parsed(text).tags
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 20


def test_lines_stand_best_first_with_what_they_are_behind() -> None:
    text = whole()
    rows = re.findall(r'<th scope="row">(\w+)</th><td class="value">([^<]*)</td><td>([^<]*)</td>', text)
    assert rows[:3] == [
        ("win", "0.950 ± 0.010", "–"),
        ("next", "0.900 ± 0.010", "0.050"),
        ("last", "0.500 ± 0.010", "0.450"),
    ]


def test_ties_are_marked_by_a_sign_too() -> None:
    text = render_study(StudyPage("t", (*results("win", 0.95), *results("close", 0.945))))
    assert text.count('class="tied"') == 4
    assert text.count("≈</abbr> 2</td>") == 2
    assert "lead0.005within the spread of the seeds, 0.010: a tie" in Parsed(text).said
    assert "≈</abbr>" not in render_study(replace(BARE, results=PAGE.results[:2]))


def test_single_seeds_have_no_spread() -> None:
    text = render_study(StudyPage("t", (*results("win", 0.95, None), *results("next", 0.9, None))))
    said = Parsed(text).said
    assert "One seed each, so there is no spread" in said
    assert "lead0.050one seed each: may be chance" in said
    assert "±" not in said


def test_the_measure_that_decides_is_chosen() -> None:
    page = replace(BARE, measure="macro_f1")
    said = Parsed(render_study(page)).said
    assert said.index("win is best: macro f1 0.900") < said.index("By macro f1") < said.index("By accuracy,")


def test_synthetic_data_are_called_so_beside_the_answer() -> None:
    said = Parsed(render_study(replace(BARE, synthetic=True, notice="Rendered."))).said
    assert said.index("Synthetic data") < said.index("Rendered.") < said.index("win is best")
    assert "ynthetic" not in Parsed(whole()).said


def test_hundreds_of_lines_are_folded_and_the_page_stays_small() -> None:
    many = tuple(
        Result(f"s{n}", f"f{n % 3}", f"j{n % 4}", "accuracy", 0.9 - 0.002 * n, 0.001, 2, n + 1)
        for n in range(300)
    )
    text = render_study(StudyPage("t", many))
    assert "<summary>285 more lines</summary>" in text
    assert text.count("<tr") == 300 + 2 + 4  # two heads, a grid of three features
    assert "Which features, which judge" in text
    assert len(text) < 300_000


def test_ranks_are_shown_where_they_differ_from_the_places() -> None:
    same = (Result("a", "f", "j", "m", 0.9, 0.1, 2, 1), Result("b", "f", "j", "m", 0.8, 0.1, 2, 2))
    assert "rank among" not in render_study(StudyPage("t", same))
    apart = (same[0], replace(same[1], judge="k", rank=1))
    assert "rank among" in render_study(StudyPage("t", apart))


def test_embeddings_stand_in_the_order_of_their_settings() -> None:
    text = whole()
    assert text.index('alt="Embedding by win"') < text.index('alt="Embedding by last"')


def test_thirty_plots_stay_below_three_megabytes() -> None:
    def big(n: int) -> Embedding:
        labels = RNG.integers(10, size=10_000)
        cloud = Cloud("train", RNG.normal(size=(10_000, 2)) + labels[:, None], labels)
        return Embedding(f"s{n}", tuple(map(str, range(10))), (cloud, cloud))

    assert 30 * len(render_study(StudyPage("t", (), embeddings=(big(0),)))) < 3_000_000


def test_a_study_without_results_is_a_whole_page() -> None:
    said = Parsed(render_study(StudyPage("t", (), failures=PAGE.failures))).said
    assert "No trial gave a result." in said
    assert "broken, seed 1✗ loss is not finite" in said


def test_the_same_page_gives_the_same_text() -> None:
    assert render_study(PAGE) == whole()


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"Curve 'a': got lengths \[1, 2\], allowed: one per epoch"):
        Curve("a", (1.0, 2.0), (0.5,))
    with pytest.raises(InputError, match=r"Curve 'a': got lengths \[1, 2\]"):
        Curve("a", (1.0,), kinds={"easy": (1.0, 2.0)})
    with pytest.raises(InputError, match=r"Cloud 'train': got \(3, 2\) points and \(2,\) labels"):
        Cloud("train", np.zeros((3, 2)), np.zeros(2, int))
