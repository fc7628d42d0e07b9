import pytest

from kilnsense.errors import ConfigError
from kilnsense.label.portion import row_of
from kilnsense.record.review_queue import flags, parse_share, probabilities, queue
from kilnsense.record.store import Row
from kilnsense.types import Record, Verdict

CLASSES = ("under", "normal", "over")


def row(number: int, path: str, verdict: Verdict | None) -> Row:
    status = "bad" if verdict is None else "ok" if verdict.state else "review"
    reason = verdict.reason if verdict else "truncated"
    record = Record(path, "ab" * 32, 8, 6, status, reason, verdict, "", "0123456789ab")
    return row_of(record, CLASSES, number=number)


def named(number: int, path: str, best: float, second: float, unfamiliarity: float = 0.2) -> Row:
    shares = (best, second, 1 - best - second)
    return row(number, path, Verdict("under", best, "accepted", "under", shares, unfamiliarity))


def far(number: int, path: str, unfamiliarity: float) -> Row:
    shares = (0.98, 0.01, 0.01)
    return row(number, path, Verdict(None, 0.98, "unfamiliar", "under", shares, unfamiliarity))


def poor(number: int, path: str, *quality: str) -> Row:
    return row(number, path, Verdict(None, 0.0, "bad_image", quality=quality))


def order(rows: list[Row], share: float = 1.0, strategy: str = "margin") -> list[str]:
    return [place.path for place in queue(rows, share, strategy)]


FAMILIAR = [
    named(0, "a", 0.9, 0.1),
    named(1, "b", 0.5, 0.45),
    named(2, "c", 0.6, 0.3),
    named(3, "d", 0.5, 0.3),
]


def test_the_smallest_margin_comes_first_and_the_share_is_rounded_up() -> None:
    assert order(FAMILIAR) == ["b", "d", "c", "a"]
    assert order(FAMILIAR, 0.5) == ["b", "d"]
    assert order(FAMILIAR, 0.51) == ["b", "d", "c"]
    assert order(FAMILIAR, 0.01) == ["b"]
    assert order([]) == []


def test_entropy_looks_at_all_classes() -> None:
    # Two ways (0.5, 0.45, 0.05) is less open than three (0.5, 0.3, 0.2), though its margin is smaller.
    assert order(FAMILIAR, strategy="entropy") == ["d", "c", "b", "a"]


def test_by_unfamiliarity_the_farthest_come_first_whatever_was_said_of_them() -> None:
    rows = [named(0, "near", 0.4, 0.35, 0.1), named(1, "edge", 0.9, 0.1, 0.9), far(2, "far", 5.0)]
    assert order(rows, strategy="unfamiliar") == ["far", "edge", "near"]


def test_every_third_place_is_of_the_unfamiliar_and_the_bad_in_turn() -> None:
    odd = [far(4, "far", 2.0), far(5, "farther", 3.0), poor(6, "one", "dark"), poor(7, "two", "dark", "hazy")]
    assert order([*FAMILIAR, *odd]) == ["b", "d", "farther", "c", "a", "two", "far", "one"]


def test_what_has_no_rival_takes_all_places() -> None:
    assert order([poor(0, "x", "dark"), poor(1, "w", "dark")]) == ["w", "x"]


def test_a_picture_stands_once_though_two_measures_find_it() -> None:
    both = row(4, "e", Verdict(None, 0.4, "unfamiliar", "under", (0.4, 0.39, 0.21), 9.0))
    assert order([*FAMILIAR, both]) == ["e", "b", "d", "c", "a"]


def test_files_that_are_no_pictures_never_stand_in_it_and_do_not_count() -> None:
    rows = [*FAMILIAR, *(row(10 + number, f"bad{number}", None) for number in range(20))]
    assert order(rows) == ["b", "d", "c", "a"]
    assert order(rows, 0.5) == ["b", "d"]


def test_equals_are_in_the_order_of_their_paths_whatever_the_order_of_the_rows() -> None:
    rows = [named(0, "c", 0.5, 0.4), named(1, "a", 0.5, 0.4), named(2, "b", 0.5, 0.4)]
    assert order(rows) == order(rows[::-1]) == ["a", "b", "c"]


def test_a_place_names_its_row() -> None:
    place = queue(FAMILIAR)[0]
    assert (place.input, place.part, place.path) == (1, 0, "b")


def test_cells_are_read_back() -> None:
    seen = row(0, "a", Verdict("over", 0.7, "accepted", "over", (0.1, 0.2, 0.7), 0.3))
    assert probabilities(seen.cells) == (0.1, 0.2, 0.7)
    assert flags(seen.cells) == ()
    dark = poor(0, "a", "dark", "hazy")
    assert probabilities(dark.cells) == ()
    assert flags(dark.cells) == ("dark", "hazy")


@pytest.mark.parametrize(("text", "share"), [("20%", 0.2), ("0.2", 0.2), ("100 %", 1.0), (" 2.5% ", 0.025)])
def test_a_share_is_read(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["0", "0%", "101%", "20", "-1%", "nan", "", "%", "many"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="allowed: above 0% up to 100%"):
        parse_share(text)


def test_a_wrong_call_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 0, allowed"):
        queue(FAMILIAR, 0.0)
    with pytest.raises(ConfigError, match="review strategy"):
        queue(FAMILIAR, 0.5, "margins")
