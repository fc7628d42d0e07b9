"""Watches one camera on the terminal: the whole live way in one loop, without page, history or alarms.

    python pipelines/live_monitor.py --bundle runs/demo/bundle --source sim:plant --seconds 60

Every change of what would be published is a line; `kilnsense monitor` does it in processes that may die.
"""

import argparse
import time
from pathlib import Path

from kilnsense.config import CameraConfig, CaptureConfig, DecisionConfig
from kilnsense.image.encode import reduce_width
from kilnsense.live.capture import Camera
from kilnsense.live.decision import Observation, begin, step
from kilnsense.live.shared_frame import SharedFrame
from kilnsense.recogniser import open_recogniser, recognise
from kilnsense.types import UNKNOWN, Frame


def main() -> None:
    """Watches until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--rate", type=float, default=2.0, help="decisions a second")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="then it ends")
    asked = parser.parse_args()
    named = CameraConfig(source=asked.source, bundle=str(asked.bundle), rate=asked.rate)
    recogniser = open_recogniser(asked.bundle)
    begun = time.monotonic()
    decision, said, seq = begin(recogniser.config.classes, begun), "", 0
    with Camera(named, CaptureConfig()) as camera, SharedFrame(camera.memory) as frames:
        while (now := time.monotonic()) < begun + asked.seconds:
            health, picture, verdict = camera.poll(now), frames.newest(after=seq), None
            if health.state == "LIVE" and picture is not None:
                seq = picture.seq
                frame = Frame(reduce_width(picture.pixels, recogniser.config.image.width), named.name)
                verdict = recognise([frame], recogniser)[0].verdict
            arrived = picture.arrived if picture is not None and verdict is not None else None
            decision = step(decision, Observation(health.state, verdict, arrived), now, DecisionConfig())
            line = f"{health.state:<10} {decision.state or f'{UNKNOWN}: {decision.reason}'}"
            if line != said:
                print(f"{now - begun:7.1f} s  {line}  {health.message}", flush=True)
                said = line
            time.sleep(max(0.0, now + 1 / asked.rate - time.monotonic()))


if __name__ == "__main__":
    main()
