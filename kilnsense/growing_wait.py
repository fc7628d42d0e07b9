"""How long to wait before the next of many attempts."""


def growing_wait(attempt: int, *, longest: float, sooner: float = 0.0) -> float:
    """Seconds before so manieth attempt, counted from 1: 1, 2, 4, 8 .. `longest`.

    Args:
        attempt: 1 and up; it may grow without end.
        longest: seconds.
        sooner: seconds less for each but the longest.
    """
    return min(2.0 ** min(attempt - 1, 30) - sooner, longest)
