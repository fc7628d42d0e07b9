"""What can be wrong with a camera: stable codes, and what to do about each."""

from kilnsense.errors import SourceError

CAMERA_FAULTS = {
    "stalled": "no new frame comes; look at the camera's power and its network",
    "open_timeout": "it does not answer in time; see whether it has started, and raise capture.timeout_s "
    "if it is only slow",
    "open_failed": "it answers, but gives no video that can be read; check the path of its address",
    "unauthorised": "it refuses the login; check user and password_file",
    "not_found": "it knows no such stream; check the path of its address",
    "refused": "nothing listens there; see whether the camera is on, and check its port",
    "no_host": "its name cannot be found; check the address, or write its number instead",
    "unreachable": "no way leads there; check the network",
    "no_password": "password_file cannot be read, or holds more than the password",
    "read_timeout": "frames stopped coming, though the connection stands; look at the camera and its network",
    "dropped": "it closed the connection; look at the camera and its network",
    "hung": "its process stood still and was ended",
    "crashed": "its process died",
    "no_process": "no process could be started for it; see how much memory and how many open files are left",
    "program_fault": "its process met a fault of this program",
    "ended": "the video is over; write ?loop=1 behind it to see it again and again",
    "no_such_file": "it is not there; check the path",
    "no_such_device": "it is not there; plug the camera in, or check its number",
    "not_allowed": "this user may not read it; change its permissions, or the user's groups",
    "no_rate": "the file does not say how fast it runs; write it behind it, as in clip.avi?fps=25",
}
"""Details of `CameraHealth` in the states STALLED and OFFLINE, and the second half of its message."""

FINAL_FAULTS = ("ended",)
"""After these nothing is tried again."""


class CameraError(SourceError):
    """A camera gives no pictures, or no more.

    `code` is a key of `CAMERA_FAULTS`, for tables and counters.
    """

    def __init__(self, code: str) -> None:
        super().__init__(CAMERA_FAULTS[code])
        self.code = code
