"""The tasks of studies, by name: each reads its data once and gives a function from configs to outcomes."""

from collections.abc import Callable

from kilnsense.config import StudyConfig
from kilnsense.study.frames import prepare_frames
from kilnsense.study.one_shot import prepare_one_shot
from kilnsense.study.pictures import prepare_pictures
from kilnsense.study.prepared import Prepared

TASKS: dict[str, Callable[[StudyConfig], Prepared]] = {
    "frames": prepare_frames,
    "pictures": prepare_pictures,
    "one_shot": prepare_one_shot,
}
"""Task of a `StudyConfig` -> what prepares it."""
