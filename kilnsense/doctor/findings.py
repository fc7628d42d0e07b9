"""What a check says."""

from dataclasses import dataclass
from typing import Literal, get_args

from kilnsense.errors import InputError

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: of the check, one word.
        state: ``ok``, ``warn`` (works, with a drawback) or ``fail`` (something does not work).
        found: what is there.
        fix: the one thing to do about it; "" where all is well.
    """

    name: str
    state: State
    found: str
    fix: str = ""

    def __post_init__(self) -> None:
        if self.state not in get_args(State):
            raise InputError(f"Finding.state: got {self.state!r}, allowed: {', '.join(get_args(State))}")
        if not self.found or bool(self.fix) == (self.state == "ok"):
            raise InputError(
                f"Finding {self.name}: got state {self.state!r}, found {self.found!r} and fix {self.fix!r}, "
                "allowed: what was found, and a fix unless it is ok"
            )


def not_checked(name: str) -> Finding:
    """The outcome of a check that this operating system gives no facts for."""
    return Finding(name, "ok", "not checked here")


def split_advice(error: Exception, otherwise: str) -> tuple[str, str]:
    """What an error says was found, and what it says to do: our own messages end in ``; what to do``."""
    found, _, advice = " ".join(str(error).split()).rpartition("; ")
    return (found, advice) if found else (advice or type(error).__name__, otherwise)
