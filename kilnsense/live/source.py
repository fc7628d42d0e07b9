"""What a camera's source is: read from its text, and shown without passwords."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from kilnsense.config.monitor import CameraConfig
from kilnsense.errors import ConfigError, SourceError
from kilnsense.render.difficulty import DIFFICULTIES
from kilnsense.render.plan import MAX_SIDE, MIN_SIDE

SOURCE_KINDS = ("stream", "device", "file", "folder", "sim")
SCHEMES = ("rtsp", "rtsps", "http", "https")
_ALLOWED = "rtsp://host/path, rtsps, http or https, /dev/video0, 0, clip.mp4, folder/ or sim:plant"
_SECRET = re.compile(r"(?i)((?:pass|pwd|token|key|secret|auth)[^=/&?;]*=)[^/&?;]*")
_MOST_SPEED = 10_000.0


@dataclass(frozen=True)
class Simulated:
    """What is rendered.

    Attributes:
        difficulty: a name of `DIFFICULTIES`.
        seed: of the plan, from 0.
        size: width and height in pixels.
        speed: seconds of the kiln that pass in one second.
        rate: frames a second.
    """

    difficulty: str = "plant"
    seed: int = 0
    size: tuple[int, int] = (640, 480)
    speed: float = 1.0
    rate: float = 10.0


@dataclass(frozen=True)
class Source:
    """Where pictures come from.

    Attributes:
        kind: one of `SOURCE_KINDS`.
        address: what is opened; it may hold a password, and is therefore never shown.
        shown: the same for people, without a password.
        fps: of a file, frames a second where somebody knows better than the file; 0: as the file says.
        loop: a file begins again at its end.
        simulated: what is rendered; only of the kind ``sim``.
    """

    kind: str
    address: str = field(repr=False)
    shown: str
    fps: float = 0.0
    loop: bool = False
    simulated: Simulated | None = None


def read_source(text: str) -> Source:
    """Reads the text of a source.

    An address of a network camera, ``/dev/video0`` or its number, a video file (``clip.avi?fps=25&loop=1``),
    a folder in which pictures appear, or ``sim:plant?seed=3&size=1280x720&speed=60&rate=10``.

    Raises:
        ConfigError: it is none of these; the message holds no password.
    """
    text = text.strip()
    if not text or any(ord(letter) < 32 for letter in text):
        raise ConfigError(f"source: empty or with control characters; allowed: {_ALLOWED}")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return _stream(text)
    if text.startswith("sim:"):
        return _simulated(text)
    if text.isascii() and text.isdecimal():
        return Source("device", f"/dev/video{int(text)}", f"/dev/video{int(text)}")
    if text.startswith("/dev/"):
        return Source("device", text, text)
    return _path(text)


def camera_source(camera: CameraConfig) -> Source:
    """The source of a configured camera. Raises ConfigError, also where a login fits nowhere."""
    try:
        source = read_source(camera.source)
    except ConfigError as error:
        raise ConfigError(f"camera {camera.name}: {error}") from error
    if not (camera.user or camera.password_file):
        return source
    where = f"camera {camera.name}: user and password_file"
    if source.kind != "stream":
        raise ConfigError(f"{where}: {source.shown} takes none; leave them out")
    if not camera.user:
        raise ConfigError(f"{where}: a password without a user; set user")
    if urlsplit(source.address).username is not None:
        raise ConfigError(f"{where}: the address holds a login too; take it out of the address")
    return source


def read_password(path: str) -> str:
    """The password in a file, without the end of its line; "" where no file is named.

    Raises:
        SourceError: the file cannot be read, or is no text of one line.
    """
    if not path:
        return ""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"password_file {path}: cannot be read ({type(error).__name__})") from error
    if len(lines) != 1:
        raise SourceError(f"password_file {path}: got {len(lines)} lines, allowed: the password alone")
    return lines[0]


def with_login(source: Source, user: str, password: str) -> str:
    """The address of a stream with its login in it. Never show what comes back."""
    if not user:
        return source.address
    login = quote(user, safe="") + (":" + quote(password, safe="") if password else "")
    parts = urlsplit(source.address)
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()


def host_and_port(source: Source) -> tuple[str, int]:
    """Of a stream; the scheme's own port where none is named."""
    parts = urlsplit(source.address)
    usual = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
    return parts.hostname or "", parts.port or usual[parts.scheme]


def _stream(text: str) -> Source:
    parts = _split(text)
    if parts is None or not parts.hostname:
        raise ConfigError("source: an address without a readable host and port; allowed: rtsp://host/path")
    if parts.scheme not in SCHEMES:
        raise ConfigError(f"source: got {parts.scheme}://, allowed: {_ALLOWED}")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
    return Source("stream", parts.geturl(), _SECRET.sub(r"\1***", bare.geturl()))


def _split(text: str) -> SplitResult | None:
    """None where it is no address; what Python would say of it may hold the password."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - it is read when it is asked for
    except ValueError:
        return None
    return parts


def _path(text: str) -> Source:
    bare, mark, words = text.rpartition("?")
    if not mark or Path(text).exists():
        bare, words = text, ""
    if bare.endswith("/") or Path(bare).is_dir():
        if words:
            raise ConfigError(f"source {text}: a folder takes no options; leave out what follows ?")
        return Source("folder", bare, bare)
    given = _options(text, words, ("fps", "loop"))
    loop = given.get("loop", "0")
    if loop not in ("0", "1"):
        raise ConfigError(f"source {text}: loop: got {loop!r}, allowed: 0 or 1")
    fps = _number(text, given, "fps", 0.0, 1000.0)
    return Source("file", bare, bare, fps=fps, loop=loop == "1")


def _simulated(text: str) -> Source:
    name, _, words = text.removeprefix("sim:").partition("?")
    if name not in DIFFICULTIES:
        raise ConfigError(f"source: got sim:{name}, allowed: sim: and one of {', '.join(DIFFICULTIES)}")
    given = _options(text, words, ("seed", "size", "speed", "rate"))
    plain = Simulated()
    size = plain.size
    if "size" in given:
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", given["size"])
        size = (int(found[1]), int(found[2])) if found else (0, 0)
        if not all(MIN_SIDE <= side <= MAX_SIDE for side in size):
            raise ConfigError(
                f"source {text}: size: got {given['size']!r}, allowed: as 640x480, {MIN_SIDE} to {MAX_SIDE}"
            )
    seed = given.get("seed", "0")
    if not (seed.isascii() and seed.isdecimal() and len(seed) < 19):
        raise ConfigError(f"source {text}: seed: got {seed!r}, allowed: a whole number from 0")
    speed = _number(text, given, "speed", plain.speed, _MOST_SPEED)
    rate = _number(text, given, "rate", plain.rate, 60.0)
    return Source("sim", text, text, simulated=Simulated(name, int(seed), size, speed, rate))


def _options(text: str, words: str, allowed: tuple[str, ...]) -> dict[str, str]:
    pairs = parse_qsl(words, keep_blank_values=True)
    names = [name for name, _ in pairs]
    for name in names:
        if name not in allowed or names.count(name) > 1:
            raise ConfigError(f"source {text}: got {name}=, allowed: {', '.join(allowed)}, each once")
    if words and not pairs:
        raise ConfigError(f"source {text}: got {words!r} after ?, allowed: {', '.join(allowed)}")
    return dict(pairs)


def _number(text: str, given: dict[str, str], name: str, otherwise: float, most: float) -> float:
    if name not in given:
        return otherwise
    try:
        value = float(given[name])
    except ValueError:
        value = 0.0
    if not 0 < value <= most:
        raise ConfigError(f"source {text}: {name}: got {given[name]!r}, allowed: above 0, up to {most:g}")
    return value
