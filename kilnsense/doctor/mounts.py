"""Which file system a folder is on."""

import re
from pathlib import Path

from kilnsense.doctor.findings import Finding, not_checked

REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "vboxsf", "virtiofs")
"""Kinds whose files other computers change; with ``fuse`` and ``fuse.*``, but not the local ``fuseblk``."""


def read_mounts() -> str | None:
    """The kernel's list of mounts, or None where there is none."""
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None


def kind_of(path: Path, mountinfo: str) -> str:
    """The file-system type that a path is on, or "" where no mount holds it.

    Args:
        path: absolute, links resolved.
        mountinfo: as ``/proc/self/mountinfo``: the mount point is field 5, the type follows the lone dash;
            blanks in names are octal; of two mounts on one point the later hides the earlier.
    """
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        fields = line.split()
        if len(fields) < 7 or "-" not in fields[6:-1]:
            continue
        point = Path(re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[fields.index("-", 6) + 1]
    return kind


def is_remote(kind: str) -> bool:
    """Whether other computers may change what is there."""
    return kind in REMOTE or kind == "fuse" or kind.startswith("fuse.")


def check_file_system(path: Path, mountinfo: str | None) -> Finding:
    """Whether a folder of pictures is on a disk that tells of new files."""
    kind = kind_of(path.resolve(), mountinfo) if mountinfo is not None else ""
    if not kind:
        return not_checked("file_system")
    if not is_remote(kind):
        return Finding("file_system", "ok", f"{kind}, local")
    found = f"{kind} is a network file system: slower, and it does not tell of new files"
    return Finding("file_system", "warn", found, "copy the pictures to a local disk")
