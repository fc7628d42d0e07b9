"""Secrets come from files, never from arguments or addresses."""

from pathlib import Path

from kilnsense.errors import ConfigError


def read_secret(path: str, *, key: str) -> str:
    """What a file holds, without the end of its last line.

    Args:
        path: of the file.
        key: setting that names it, for the message.

    Raises:
        ConfigError: it cannot be read, is no UTF-8, or is empty.
    """
    try:
        secret = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"{key}: {path} cannot be read ({why}); give a file with the secret") from error
    if not secret:
        raise ConfigError(f"{key}: {path} is empty; allowed: a file with the secret and nothing else")
    return secret
