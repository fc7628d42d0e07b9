"""Work that computes nothing: every job is a word and what goes with it.

The book is a folder; every preparation, and what outlives no message, leaves a line in there.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from kilnsense import errors

Say = Callable[[str], None]

DEAF_FROM_THE_START = signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def prepare(book: Path) -> Path:
    """Raises SourceError where there is no book."""
    if not book.is_dir():
        raise errors.SourceError(f"{book}: is no folder; give one")
    note(book, f"prepared in {os.getpid()}")
    return book


def work(book: Path, job: str, say: Say) -> None:
    """Does what the first word of the job says with the others."""
    word, *words = job.split()
    JOBS[word](book, words, say)


def _say(book: Path, words: list[str], say: Say) -> None:
    for word in words:
        say(word)


def _stop(book: Path, words: list[str], say: Say) -> NoReturn:
    """Raises the class of kilnsense.errors that is asked for."""
    if words == ["ImageError"]:
        raise errors.ImageError("truncated", "a.jpg: ends early")
    raise getattr(errors, words[0])(f"{words[0]} as it\nwas said")


def _fail(book: Path, words: list[str], say: Say) -> NoReturn:
    raise {"EOFError": EOFError, "BrokenPipeError": BrokenPipeError, "ValueError": ValueError}[words[0]](
        "why"
    )


def _kill(book: Path, words: list[str], say: Say) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _interrupt(book: Path, words: list[str], say: Say) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    say(f"deaf from the start: {DEAF_FROM_THE_START}")


def _variables(book: Path, words: list[str], say: Say) -> None:
    for word in words:
        say(f"{word}={os.environ.get(word)}")


def _talk(book: Path, words: list[str], say: Say) -> NoReturn:
    """Ends only with the process; whoever swallows what went wrong is not the one to end it."""
    say(str(os.getpid()))
    while True:
        try:
            say("more")
        except Exception:  # noqa: BLE001 - as a careless job would
            note(book, "swallowed")


def _hang(book: Path, words: list[str], say: Say) -> None:
    """Notes that it is asked to go, and goes, or with "on" stays."""

    def asked(number: int, frame: object) -> None:
        note(book, "asked to go")
        if words != ["on"]:
            raise SystemExit

    signal.signal(signal.SIGTERM, asked)
    say("here")
    while True:
        signal.pause()


JOBS: dict[str, Callable[[Path, list[str], Say], None]] = {
    "say": _say,
    "stop": _stop,
    "fail": _fail,
    "kill": _kill,
    "interrupt": _interrupt,
    "variables": _variables,
    "talk": _talk,
    "hang": _hang,
}


def note(book: Path, line: str) -> None:
    """One more line in the book."""
    with (book / "notes.txt").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
