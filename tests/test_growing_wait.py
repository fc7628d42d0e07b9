from kilnsense.growing_wait import growing_wait


def test_waits_double_up_to_the_longest_and_never_overflow() -> None:
    assert [growing_wait(attempt, longest=30.0) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert growing_wait(100_000, longest=30.0) == 30.0


def test_sooner_shortens_all_but_the_longest() -> None:
    assert [growing_wait(attempt, longest=30.0, sooner=0.5) for attempt in (1, 2, 6, 7)] == [0.5, 1.5, 30, 30]
