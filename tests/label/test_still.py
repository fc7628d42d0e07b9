import os
import time
from pathlib import Path

import pytest

from kilnsense.errors import InputError
from kilnsense.label.inputs import open_source
from kilnsense.label.still import QUIET, expect_still


def test_a_folder_is_still_once_nothing_changed_for_long_enough(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000.0, 1000.0))
    source = open_source(tmp_path)
    expect_still(source, now=1000.0 + QUIET)
    expect_still(source, listed=3, now=1000.0 + QUIET)  # files may go, as a move takes them
    with pytest.raises(InputError, match="was changed 599 s ago, allowed: nothing for 600 s"):
        expect_still(source, now=999.0 + QUIET)
    with pytest.raises(InputError, match="has 2 files and had 1 when the run began"):
        expect_still(source, listed=1, now=1000.0 + QUIET)
    os.utime(tmp_path / "b.png", (time.time() + 500, time.time() + 500))
    with pytest.raises(InputError, match=r"b\.png was changed -\d+ s ago"):
        expect_still(source)
