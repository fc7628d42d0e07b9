"""Variables of this process that look like settings."""

import difflib
from collections.abc import Iterable, Mapping

from kilnsense.config import Config
from kilnsense.doctor.findings import Finding

PREFIX = "KILNSENSE_"
FLAGS = ("KILNSENSE_DEBUG", "KILNSENSE_QUIET")
"""Variables of the command line itself; all others are keys of the configuration."""


def check_environment(names: Iterable[str]) -> list[Finding]:
    """Whether every variable that begins with ``KILNSENSE_`` is a key of the configuration.

    Args:
        names: of the variables of this process.
    """
    ours = sorted(name for name in names if name.startswith(PREFIX) and name not in FLAGS)
    known = _known_keys()
    wrong = [_unknown(name, known) for name in ours if not _is_known(name, known)]
    if wrong:
        return wrong
    found = f"set and known: {', '.join(ours)}" if ours else f"no setting begins with {PREFIX}"
    return [Finding("environment", "ok", found)]


def _known_keys() -> dict[str, bool]:
    """The variable of every key in a section, and whether it holds a mapping of free names."""
    sections = Config().model_dump()
    return {
        f"{PREFIX}{section}__{key}".upper(): isinstance(value, dict)
        for section, values in sections.items()
        if isinstance(values, dict)
        for key, value in values.items()
    }


def _is_known(name: str, known: Mapping[str, bool]) -> bool:
    # Below a key that holds a mapping, such as classifier.options, every name is allowed.
    section, _, rest = name.upper().partition("__")
    key, below, _ = rest.partition("__")
    held = known.get(f"{section}__{key}")
    return held is not None and (held or not below)


def _unknown(name: str, known: Mapping[str, bool]) -> Finding:
    close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.9)
    fix = f"unset it, or rename it if {close[0]} is meant" if close else "unset it"
    if "__" in name:
        return Finding("environment", "warn", f"{name} is no key of the configuration", fix)
    found = f"{name} is not read: settings are named {PREFIX}<SECTION>__<KEY>"
    return Finding("environment", "warn", found, fix)
