"""The name of a process as the tools of the system show it."""

from contextlib import suppress
from pathlib import Path

MOST_LETTERS = 15
"""More the system cuts off."""


def name_process(name: str) -> None:
    """Makes `top`, `ps` and `pgrep` call this process so; nothing happens on a system without such names."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name[:MOST_LETTERS], encoding="ascii", errors="replace")
