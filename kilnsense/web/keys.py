"""The keys of a page, kept in a file, so that the address of a kiosk stays good over restarts."""

import base64
import hmac
import os
import re
import secrets
import stat
from pathlib import Path

from kilnsense.errors import ConfigError, StorageError
from kilnsense.web.guard import Keys

KEY = re.compile(r"[A-Za-z0-9_-]{20,200}")
"""What a key looks like: it stands in addresses and in a cookie."""


def kept_keys(path: Path) -> Keys:
    """The keys of a file; a file that is not there is made, readable by its owner alone.

    The file holds the operator's key. The key to look is computed from it and does not betray it.

    Raises:
        ConfigError: others can read the file, or it holds no key.
        StorageError: it cannot be made.
    """
    try:
        token = _read(path)
    except FileNotFoundError:
        _make(path)
        token = _read(path)
    except OSError as error:
        raise ConfigError(f"key file {path}: cannot be read ({error.strerror})") from error
    view = hmac.digest(token.encode(), b"kilnsense view key", "sha256")
    return Keys(token, base64.urlsafe_b64encode(view).decode().rstrip("="))


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & 0o077:
            raise ConfigError(
                f"key file {path}: got mode {stat.filemode(mode)}, allowed: a file that its owner alone can "
                f"read; run chmod 600 on it, and change the key if others may have seen it"
            )
        token = file.read(1000).strip()
    if not KEY.fullmatch(token):
        raise ConfigError(
            f"key file {path}: got {len(token)} characters, allowed: one key of 20 to 200 letters, digits, - "
            f"and _; remove the file to have one made"
        )
    return token


def _make(path: Path) -> None:
    """Writes a new key; if another process was quicker, its key stays."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # fails where there is one already, and is never seen half written
        finally:
            draft.unlink()
    except FileExistsError:
        return
    except OSError as error:
        raise StorageError(f"key file {path}: cannot be written ({error.strerror})") from error
