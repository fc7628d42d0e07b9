"""A live camera: does it answer, how fast, and is its picture fit to be judged."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

from kilnsense.config import CameraConfig, CaptureConfig, QualityConfig
from kilnsense.doctor.findings import Finding, split_advice
from kilnsense.errors import KilnsenseError, SourceError
from kilnsense.image.encode import reduce_width
from kilnsense.image.quality import assess
from kilnsense.live.capture import Camera
from kilnsense.live.shared_frame import SharedFrame, SharedPicture
from kilnsense.types import CameraHealth, Frame

PATIENCE_S = 15.0
"""For the first picture."""

LOOK_S = 5.0
"""That the rate is measured."""

WIDTH = 480
"""The width that the limits of quality are meant for."""

SLOW = 2.0
"""Frames a second below which a monitor has nothing to decide on."""


def check_camera(
    source: str, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Finding]:
    """Opens a camera for some seconds."""
    try:
        camera = Camera(CameraConfig(source=source, bundle="none"), CaptureConfig())
    except KilnsenseError as error:
        yield Finding("camera", "fail", *split_advice(error, "give the address of a camera"))
        return
    with closing(camera):
        camera.start()
        begun = clock()
        health, picture = _first(camera, clock, sleep)
        if picture is None:
            found, fix = split_advice(SourceError(health.message), "look at its power, network and address")
            yield Finding("camera", "fail", found, fix)
            return
        taken = clock() - begun
        health = _followed(camera, clock, sleep)
    height, width = picture.pixels.shape[:2]
    said = f"answers after {taken:.1f} s: {width} x {height} pixels, {health.rate:.1f} frames a second"
    if health.state != "LIVE":
        yield Finding("camera", "fail", f"{said}, then it was {health.state}", "look at its network")
    elif health.rate < SLOW:
        yield Finding("camera", "warn", said, "let the camera send more frames a second")
    else:
        yield Finding("camera", "ok", said)
    quality = assess(Frame(reduce_width(picture.pixels, WIDTH), "camera"), QualityConfig())
    if quality.flags:
        fix = "look at its glass, air, light, exposure, aim and focus"
        yield Finding("picture", "warn", f"its picture is {', '.join(quality.flags)}", fix)
    else:
        yield Finding("picture", "ok", "is fit to be judged")


def _first(
    camera: Camera, clock: Callable[[], float], sleep: Callable[[float], None]
) -> tuple[CameraHealth, SharedPicture | None]:
    """The first picture, or none and why."""
    until = clock() + PATIENCE_S
    with SharedFrame(camera.memory) as frames:
        while True:
            health = camera.poll(clock())
            picture = frames.newest()
            if picture is not None or health.state == "OFFLINE" or clock() > until:
                return health, picture
            sleep(0.05)


def _followed(camera: Camera, clock: Callable[[], float], sleep: Callable[[float], None]) -> CameraHealth:
    until = clock() + LOOK_S
    while True:
        health = camera.poll(clock())
        if clock() > until:
            return health
        sleep(0.05)
