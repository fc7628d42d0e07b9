"""A process that writes frames of one value each as fast as it can, in two sizes."""

import sys
import time

import numpy as np

from kilnsense.live.shared_frame import SharedFrame

SIZES = ((480, 640), (300, 420))


def write(name: str, seconds: float) -> None:
    frames = [np.full((*size, 3), value, np.uint8) for value, size in enumerate(SIZES * 20)]
    with SharedFrame(name) as memory:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            seq = memory.pulse().grabbed + 1
            memory.publish(frames[seq % 40], arrived=float(seq), at=2.0 * seq)
            memory.count(arrived=float(seq), gap=0.0)


if __name__ == "__main__":
    write(sys.argv[1], float(sys.argv[2]))
