"""Files that look like secrets and that everyone may read."""

import os
import shlex
import stat
from pathlib import Path

from kilnsense.doctor.findings import Finding, not_checked

SECRET_WORDS = ("password", "token", "secret")

_POSIX = os.name == "posix"  # elsewhere permissions are not bits of a mode


def check_secrets(folder: Path) -> Finding:
    """Whether files with a secret's name can be read by everyone on this computer."""
    if not _POSIX:
        return not_checked("secrets")
    try:
        named = [path for path in folder.iterdir() if any(word in path.name.lower() for word in SECRET_WORDS)]
        open_to_all = sorted(path.name for path in named if path.is_file() and _world_readable(path))
    except OSError as error:
        fix = "start kilnsense in a folder that you may list"
        return Finding("secrets", "warn", f"{folder} cannot be listed ({error.strerror})", fix)
    if not open_to_all:
        return Finding("secrets", "ok", f"none in {folder} that everyone may read")
    names = " ".join(shlex.quote(name) for name in open_to_all)
    found = f"everyone on this computer may read {', '.join(open_to_all)}"
    return Finding("secrets", "warn", found, f"chmod o-rwx {names}")


def _world_readable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IROTH)
