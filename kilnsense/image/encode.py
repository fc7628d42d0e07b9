"""Pictures for people: reduced, and as JPEG files."""

import cv2
import numpy as np
from numpy.typing import NDArray

from kilnsense.errors import ImageError


def reduce_width(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """A picture of at most so many columns, by averaging; a narrower one is given back as it is.

    Args:
        pixels: (H, W, 3) uint8, any channel order.
        width: columns, 1 and up.
    """
    down, across = pixels.shape[:2]
    if across <= width:
        return pixels
    size = (width, max(1, round(down * width / across)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def to_jpeg(pixels: NDArray[np.uint8], *, quality: int = 90) -> bytes:
    """A JPEG file of (H, W, 3) uint8 sRGB, R, G, B. Raises ImageError for a size that JPEG cannot hold."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageError("damaged", f"a picture of {pixels.shape} pixels cannot be written as JPEG")
    return bytes(data.tobytes())
