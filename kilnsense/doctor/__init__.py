"""What is wrong with this computer, a bundle or a folder of pictures, and what to do about it.

::

    findings      what a check says: ok, warn or fail, what was found, one fix
    packages      Python, the base packages and their ranges, extras, one OpenCV wheel
    system        cores, memory, clock
    permissions   secrets that everyone may read
    environment   variables that no setting has
    storage       free space, writing, SQLite
    mounts        network file systems
    pictures      OpenCV, truncated pictures, video
    source        a folder of pictures
    camera        a live camera
    runtime       ONNX Runtime
    model         a bundle
    examine       all of them, in order; no check can stop the others
"""

from kilnsense.doctor.examine import CHECKS, Asked, examine
from kilnsense.doctor.findings import Finding

__all__ = ["CHECKS", "Asked", "Finding", "examine"]
