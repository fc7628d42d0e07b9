"""The error tree. Every error that kilnsense raises on purpose is one of these.

::

    KilnsenseError            exit code 1
      ConfigError             exit code 2   a setting or a command-line argument is wrong
        MissingExtraError     exit code 2   an optional dependency is not installed
      InputError              exit code 2   data handed in do not fit (shape, labels, groups, too few samples)
        ImageError            exit code 3   one picture cannot be used; carries a reason code
      GateError               exit code 4   a quality gate was not met
      SourceError             exit code 5   a folder, camera or file cannot be read
        BundleError           exit code 5   a bundle is missing, cut short, altered or of a newer format
      StorageError            exit code 6   a result cannot be written

A message says what is wrong, where, what was found, what is allowed and what to do about it.
"""

FAILURE_REASONS = {
    "missing": "the file is not there or is no regular file",
    "outside": "the path leads out of the source folder",
    "unreadable": "the operating system refused to read it",
    "empty": "the file holds no bytes",
    "too_large": "the file is larger than the size cap",
    "not_an_image": "the first bytes are of no allowed format",
    "too_many_pixels": "the header announces more pixels than the cap",
    "too_small": "the picture is smaller than can be judged",
    "truncated": "the picture ends before its data do",
    "damaged": "the decoder found the data damaged",
    "unsupported": "the format is allowed, this variant of it is not",
    "too_slow": "decoding took longer than the time limit",
    "memory": "decoding needed more memory than the limit",
    "crashed": "the process that read the file died of it",
}
"""Why a file could not become a `Frame`: stable codes and what they mean."""


class KilnsenseError(Exception):
    """Root of the tree; `exit_code` is what the command line returns for it."""

    exit_code = 1


class ConfigError(KilnsenseError):
    """A setting or an argument is wrong."""

    exit_code = 2


class MissingExtraError(ConfigError):
    """An optional dependency is needed and not installed."""


class InputError(KilnsenseError):
    """Data that were handed in do not fit together."""

    exit_code = 2


class ImageError(InputError):
    """One picture cannot be used.

    `reason` is a stable code (see `FAILURE_REASONS`), for tables and counters.
    """

    exit_code = 3

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class GateError(KilnsenseError):
    """A measured score is below the gate that was asked for."""

    exit_code = 4


class SourceError(KilnsenseError):
    """A folder, camera or file cannot be read."""

    exit_code = 5


class BundleError(SourceError):
    """A bundle is missing, cut short, altered or of a newer format."""


class StorageError(KilnsenseError):
    """A result cannot be written."""

    exit_code = 6
