"""What a person sees of a picture: the picture, its regions, and the labelled frames that lie nearest."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kilnsense.bundle import Bundle
from kilnsense.config import ImageConfig
from kilnsense.data.loader import load_one
from kilnsense.errors import BundleError, ImageError
from kilnsense.image.clip import clip_frames, split_name
from kilnsense.image.decode import check_inside
from kilnsense.image.encode import reduce_width, to_jpeg
from kilnsense.recogniser import Recogniser, Sight, look, open_recogniser, represent
from kilnsense.segment.overlay import named_overlay
from kilnsense.types import Failure, Frame

SCREEN_WIDTH = 1600
"""Pixels; a wider picture is reduced for the screen."""

THUMBNAIL_WIDTH = 240
NEAREST = 6
"""Labelled frames that are shown."""

KEPT = 24
"""Pictures that are kept ready, for going back and forth."""

FEATURES = "gallery.features"
"""The array of a bundle with the fused row of each labelled frame."""


@dataclass(frozen=True)
class Neighbour:
    """A labelled frame of the bundle.

    Attributes:
        number: its row of the gallery.
        label, group: as it was trained on.
        distance: between the fused rows, 0 and up: root of the mean square over the columns, each in units
            of its standard deviation over the labelled frames.
        pictured: whether its file is still there.
    """

    number: int
    label: str
    group: str
    distance: float
    pictured: bool


@dataclass(frozen=True, eq=False)
class Seen:
    """What is shown of a picture.

    Attributes:
        picture, overlay: JPEG files; the overlay has the regions drawn in.
        nearest: the labelled frames, nearest first.
    """

    picture: bytes
    overlay: bytes
    nearest: tuple[Neighbour, ...]


class Viewer:
    """Shows the pictures of a run and the frames of a bundle; it may be asked from several threads.

    Args:
        bundle: of the model.
        root: folder that the paths of the run start from.

    Raises:
        BundleError: the bundle lacks what is needed.
    """

    def __init__(self, bundle: Bundle, root: Path) -> None:
        self._recogniser: Recogniser = open_recogniser(bundle)
        self._root, self._gallery = root, bundle.gallery
        trained_on = bundle.config.data.root
        self._gallery_root = Path(trained_on).absolute() if trained_on else None
        if FEATURES not in bundle.arrays or len(bundle.arrays[FEATURES]) != len(bundle.gallery):
            raise BundleError(f"bundle {bundle.model_id}: holds no row for each labelled frame; train again")
        self._features = np.asarray(bundle.arrays[FEATURES], np.float64)
        spread = self._features.std(axis=0)
        self._units = np.where(spread > 0, spread, 1.0)  # a column that never varied counts as it is
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._videos: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()

    def see(self, path: str, sha256: str) -> Seen:
        """A picture of the run.

        Args:
            path: below the root.
            sha256: of the file that was labelled: of the picture, or of the whole video.

        Raises:
            ImageError: with what is wrong with it; also where it is another file by now.
        """
        with self._lock:
            if path not in self._seen:
                self._seen[path] = self._look(path, sha256)
                if len(self._seen) > KEPT:
                    self._seen.popitem(last=False)
            self._seen.move_to_end(path)
            return self._seen[path]

    def gallery_picture(self, number: int) -> bytes:
        """A small JPEG of a labelled frame, by its row. Raises ImageError where it is gone or changed."""
        if self._gallery_root is None or not 0 <= number < len(self._gallery):
            raise ImageError("missing", f"labelled frame {number}: is not there")
        row = self._gallery[number]
        config = self._recogniser.config.image.model_copy(update={"width": THUMBNAIL_WIDTH})
        frame = _frame(self._gallery_root / row.path, self._gallery_root, config)
        if frame.sha256 != row.sha256:
            raise ImageError("missing", f"{row.path}: is another picture than it was in training")
        return to_jpeg(frame.pixels)

    def _look(self, path: str, sha256: str) -> Seen:
        config = self._recogniser.config
        large = config.image.model_copy(update={"width": SCREEN_WIDTH})
        file, number = split_name(path)
        if number is None or (self._root / path).is_file():
            shown = _frame(self._root / path, self._root, large)
            _expect_same(path, shown.sha256, sha256)
            judged = _frame(self._root / path, self._root, config.image)
        else:
            self._expect_same_video(file, sha256)
            _, pixels = next(clip_frames(self._root / file, (number,), root=self._root))
            shown = _reduced(Frame(pixels, path), SCREEN_WIDTH)
            judged = _reduced(shown, config.image.width)
        sight = look(judged, self._recogniser.codebook, config)
        drawn = named_overlay(sight.frame, sight.segmentation, sight.regions)
        return Seen(to_jpeg(shown.pixels), to_jpeg(drawn), self._nearest(sight))

    def _expect_same_video(self, file: str, sha256: str) -> None:
        """Reads a video as a whole, once for each time that it was changed."""
        video = self._root / file
        check_inside(video, self._root)
        try:
            if not video.is_file():  # a pipe would block
                raise ImageError("missing", f"{file}: no regular file is there")
            changed = video.stat().st_mtime_ns
            if self._videos.get(file, (0, ""))[0] != changed:
                with video.open("rb") as opened:
                    self._videos[file] = (changed, hashlib.file_digest(opened, "sha256").hexdigest())
        except OSError as error:
            raise ImageError("unreadable", f"{file}: cannot be read ({error.strerror})") from error
        _expect_same(file, self._videos[file][1], sha256)

    def _nearest(self, sight: Sight) -> tuple[Neighbour, ...]:
        features, _ = represent([sight], self._recogniser.encode, self._recogniser.config)
        apart = (self._features - features.values) / self._units
        distances = np.sqrt(np.square(apart).mean(axis=1))
        order = np.argsort(distances, kind="stable")[:NEAREST]
        return tuple(self._neighbour(int(row), float(distances[row])) for row in order)

    def _neighbour(self, number: int, distance: float) -> Neighbour:
        row, root = self._gallery[number], self._gallery_root
        pictured = root is not None and (root / row.path).is_file()
        return Neighbour(number, row.label, row.group, distance, pictured)


def _expect_same(path: str, found: str, labelled: str) -> None:
    if found != labelled:
        raise ImageError("missing", f"{path}: is another file than the one that was labelled; label anew")


def _frame(path: Path, root: Path, config: ImageConfig) -> Frame:
    item = load_one(path, root, config)
    if isinstance(item, Failure):
        raise ImageError(item.reason, item.message)
    return item


def _reduced(frame: Frame, width: int) -> Frame:
    """As the decoder reduces a picture."""
    return replace(frame, pixels=reduce_width(frame.pixels, width))
