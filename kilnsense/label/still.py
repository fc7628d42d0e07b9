"""Whether a folder stands still: nothing may be moved out of one that something records into."""

import time
from pathlib import Path

from kilnsense.errors import InputError
from kilnsense.label.inputs import Source, list_inputs

QUIET = 600.0
"""Seconds for which no file may have changed."""


def expect_still(source: Source, *, listed: int | None = None, now: float | None = None) -> None:
    """Refuses a source that something seems to write into.

    Args:
        source: its files are looked at.
        listed: how many there were when the run began; None: it begins.
        now: seconds since 1970; the clock of this computer if None.

    Raises:
        InputError: a file changed within `QUIET` seconds, or in the future, or there are more than
            `listed`.
        SourceError: a folder cannot be listed.
    """
    moment, count = time.time() if now is None else now, 0
    for path in list_inputs(source):
        count += 1
        age = _age(source.root / path, moment)
        if age < QUIET:
            raise InputError(
                f"--move: {source.root / path} was changed {age:.0f} s ago, allowed: nothing for {QUIET:.0f} "
                f"s, so that no file is taken from what records it; wait, or use --copy"
            )
    if listed is not None and count > listed:
        raise InputError(
            f"--move: {source.root} has {count} files and had {listed} when the run began; something records "
            f"into it: end that and label anew, or use --copy"
        )


def _age(path: Path, moment: float) -> float:
    try:
        return moment - path.lstat().st_mtime
    except OSError:
        return QUIET  # it stays where it is
