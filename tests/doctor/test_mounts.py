"""Which file system a folder is on, from made-up lists of mounts."""

from pathlib import Path

import pytest

from kilnsense.doctor.mounts import check_file_system, kind_of, read_mounts

MOUNTS = """\
23 22 0:40 / /data rw,relatime shared:5 master:2 - nfs4 server:/frames rw,vers=4.2
24 23 0:41 / /data/local rw - xfs /dev/vdb rw
25 22 0:42 / /mnt/kiln\\040one rw - cifs //server/kiln rw
26 22 0:43 / /usb rw - fuseblk /dev/sdb1 rw
27 22 0:44 / /ssh rw - fuse.sshfs me@there:/ rw
28 22 0:45 / /twice rw - ext4 /dev/vdc rw
29 22 0:46 / /twice rw - smb3 //server/twice rw
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
cut short
"""


@pytest.mark.parametrize(
    ("path", "kind", "state"),
    [
        ("/home/me", "ext4", "ok"),
        ("/data", "nfs4", "warn"),
        ("/data/frames/run1", "nfs4", "warn"),
        ("/data/local/x", "xfs", "ok"),
        ("/database", "ext4", "ok"),
        ("/mnt/kiln one/a", "cifs", "warn"),
        ("/usb/a", "fuseblk", "ok"),
        ("/ssh/a", "fuse.sshfs", "warn"),
        ("/twice", "smb3", "warn"),
    ],
)
def test_a_network_file_system_is_found(path: str, kind: str, state: str) -> None:
    assert kind_of(Path(path), MOUNTS) == kind
    finding = check_file_system(Path(path), MOUNTS)
    assert (finding.state, finding.found.split()[0].strip(",")) == (state, kind)


def test_a_link_is_followed_to_where_the_pictures_are(tmp_path: Path) -> None:
    (tmp_path / "frames").symlink_to("/data/frames")
    assert check_file_system(tmp_path / "frames", MOUNTS).state == "warn"


@pytest.mark.parametrize("mountinfo", [None, "", "nothing to read"])
def test_a_system_without_a_list_of_mounts_is_not_checked(mountinfo: str | None) -> None:
    finding = check_file_system(Path("/data"), mountinfo)
    assert (finding.state, finding.found) == ("ok", "not checked here")


def test_the_mounts_of_this_computer_are_read() -> None:
    mounts = read_mounts()
    assert mounts is None or kind_of(Path("/"), mounts)
