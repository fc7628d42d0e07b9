"""Checks that may never come back, as of a folder on a dead server: in a process that may be killed."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from kilnsense.doctor.findings import Finding

SECONDS = 15.0
"""For the next finding of a check, the start of its process included."""

FAREWELL = 1.0
"""Seconds for a killed process to go; one that waits for a dead server may stay, and is not waited for."""

Check = Callable[[Path], Iterable[Finding]]


def with_patience(
    check: Check, place: Path, *, name: str, option: str, seconds: float = SECONDS
) -> Iterator[Finding]:
    """The findings of a check as they come, and one that fails where it does not go on.

    Args:
        check: a function of a module, so that another process can find it.
        place: what it looks at.
        name: of the finding that says that there was no answer.
        option: of the command line that named the place.
        seconds: for each finding.

    Raises:
        Exception: what the check raises.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(theirs, check, place), daemon=True)
    process.start()
    theirs.close()  # so that its end is heard of
    try:
        while ours.poll(seconds):
            said = ours.recv()
            if said is None:
                return
            if isinstance(said, Exception):
                raise said
            yield said
        yield _silent(place, name, option, f"gave no answer within {seconds:g} s")
    except EOFError:
        yield _silent(place, name, option, "ended the process that looked at it")
    finally:
        ours.close()
        process.kill()
        process.join(FAREWELL)


def _silent(place: Path, name: str, option: str, what: str) -> Finding:
    fix = f"see that its disk or server answers (df {place}), mount it anew, or give another {option}"
    return Finding(name, "fail", f"{place} {what}", fix)


def _tell(pipe: Connection, check: Check, place: Path) -> None:
    """The life of the process."""
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        try:
            for finding in check(place):
                pipe.send(finding)
            pipe.send(None)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - the parent deals with it as if it had been raised there
            pipe.send(error)
