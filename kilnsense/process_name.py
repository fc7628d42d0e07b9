"""The name of a process as the tools of the system show it."""

from contextlib import suppress

MOST_LETTERS = 15
"""More the system cuts off."""


def name_process(name: str) -> None:
    """Makes `top`, `ps` and `pgrep` call this process so; where the system has no such thing, nothing happens."""
    with suppress(OSError), open("/proc/self/comm", "w", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - no file of ours
        file.write(name[:MOST_LETTERS])
