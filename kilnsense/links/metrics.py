"""What Prometheus is told, in its text format 0.0.4.

The format is a few lines, so it is written here and needs no package. `configs/grafana.json` shows these
metrics, `configs/alerts.yml` has rules over them, one of which speaks when nothing is told any more.
"""

import shutil
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kilnsense import __version__
from kilnsense.links.link import Link
from kilnsense.links.newest import Heard, Newest
from kilnsense.types import BAD_PICTURES, UNKNOWN, AlarmEvent, AlarmStatus, Reading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of the answer that holds the text."""

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.5)
"""Upper bounds of the histogram of `kilnsense_inference_seconds`, seconds."""

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]
"""What stands behind the name of the metric, its labels, its value."""


@dataclass(frozen=True)
class Metric:
    """One metric with all its samples.

    Attributes:
        name: with the unit, as Prometheus wants it.
        kind: ``gauge``, ``counter`` or ``histogram``.
        text: what it tells.
        samples: in order.
    """

    name: str
    kind: str
    text: str
    samples: Sequence[Sample]


class Tallies:
    """Counts what passes; a `Link`, and the only one that `metrics_text` cannot do without.

    Args:
        cameras: name -> its classes, in order from cold to hot.
        stale_s: seconds without a new reading after which a camera's state is withdrawn.
        clock: seconds that never jump.
    """

    def __init__(
        self,
        cameras: Mapping[str, Sequence[str]],
        *,
        stale_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cameras = {name: tuple(classes) for name, classes in cameras.items()}
        self._readings = Newest(stale_s, clock=clock)
        self._lock = threading.Lock()
        self._alarms: dict[str, int] = {}
        self._buckets = {name: [0] * (len(BUCKETS) + 1) for name in self.cameras}
        self._seconds = dict.fromkeys(self.cameras, 0.0)

    def reading(self, reading: Reading) -> None:
        """As of `Link`."""
        self._readings.put(reading)

    def alarm(self, event: AlarmEvent) -> None:
        """As of `Link`."""
        with self._lock:
            raised = event.action == "raised"
            self._alarms[event.status.id] = self._alarms.get(event.status.id, 0) + raised

    def inferred(self, camera: str, seconds: float) -> None:
        """So long it took to judge a frame."""
        with self._lock:
            self._buckets[camera][bisect_left(BUCKETS, seconds)] += 1
            self._seconds[camera] += seconds

    def trouble(self) -> str:
        """As of `Link`; there never is any."""
        return ""

    def close(self) -> None:
        """As of `Link`."""

    def heard(self, camera: str) -> Heard | None:
        """The newest reading of a camera."""
        return self._readings.get(camera)

    def raised(self) -> dict[str, int]:
        """Alarm -> how often it was raised since the start."""
        with self._lock:
            return dict(self._alarms)

    def inference(self) -> Metric:
        """The histogram of the times to judge a frame."""
        samples: list[Sample] = []
        with self._lock:
            for camera, counts in self._buckets.items():
                total = 0
                for bound, count in zip((*BUCKETS, float("inf")), counts, strict=True):
                    total += count
                    samples.append(("_bucket", {"camera": camera, "le": _number(bound)}, total))
                samples.append(("_sum", {"camera": camera}, self._seconds[camera]))
                samples.append(("_count", {"camera": camera}, total))
        text = "Time to judge a frame."
        return Metric("kilnsense_inference_seconds", "histogram", text, samples)


def metrics_text(
    tallies: Tallies, alarms: Iterable[AlarmStatus], links: Mapping[str, Link], *, folder: Path
) -> str:
    """The whole answer to a scrape.

    Args:
        tallies: fed with every reading and alarm.
        alarms: as they stand, from the board.
        links: by name, to tell their troubles.
        folder: of the history, whose free space is told.
    """
    metrics = [
        *_of_cameras(tallies),
        tallies.inference(),
        Metric(
            "kilnsense_alarms_total",
            "counter",
            "Times that an alarm was raised.",
            [("", {"alarm": alarm}, count) for alarm, count in sorted(tallies.raised().items())],
        ),
        Metric(
            "kilnsense_alarm_active",
            "gauge",
            "Whether an alarm is active.",
            [("", {"alarm": one.id}, float(one.active)) for one in alarms],
        ),
        Metric(
            "kilnsense_link_trouble",
            "gauge",
            "Whether something is wrong with a link to the plant.",
            [("", {"link": name}, float(bool(link.trouble()))) for name, link in links.items()],
        ),
        Metric(
            "kilnsense_storage_free_bytes",
            "gauge",
            "Free space where the history is kept.",
            _free(folder),
        ),
        Metric(
            "kilnsense_build_info", "gauge", "1, with the version.", [("", {"version": __version__}, 1.0)]
        ),
    ]
    return "".join(_lines(metric) for metric in metrics)


def _of_cameras(tallies: Tallies) -> list[Metric]:
    heard = {camera: tallies.heard(camera) for camera in tallies.cameras}
    known = {camera: one for camera, one in heard.items() if one is not None}
    up = {
        camera: one is not None and not one.stale and one.reading.health.state == "LIVE"
        for camera, one in heard.items()
    }
    ages = {camera: age for camera, one in known.items() if (age := one.frame_age) is not None}
    moments = {camera: at for camera, one in known.items() if (at := one.reading.frame_at) is not None}

    def each(name: str, kind: str, text: str, values: Mapping[str, float]) -> Metric:
        samples = [("", {"camera": camera}, value) for camera, value in values.items()]
        return Metric(f"kilnsense_{name}", kind, text, samples)

    return [
        each("camera_up", "gauge", "Whether a camera is live and its readings come.", up),
        each(
            "frames_total",
            "counter",
            "Frames that were grabbed.",
            {camera: one.reading.health.frames for camera, one in known.items()},
        ),
        each(
            "reconnects_total",
            "counter",
            "Reconnects of a camera.",
            {camera: one.reading.health.reconnects for camera, one in known.items()},
        ),
        each("frame_age_seconds", "gauge", "Age of the frame that was judged last.", ages),
        each("last_frame_timestamp_seconds", "gauge", "When that frame was taken.", moments),
        each(
            "confidence",
            "gauge",
            "Filtered probability of the published state; 0: none.",
            {camera: one.reading.confidence for camera, one in known.items()},
        ),
        Metric("kilnsense_state", "gauge", "1 for what is published, else 0.", _states(heard, tallies)),
        Metric("kilnsense_picture_bad", "gauge", "1 for what a camera's picture suffers from.", _bad(known)),
    ]


def _states(heard: Mapping[str, Heard | None], tallies: Tallies) -> list[Sample]:
    samples: list[Sample] = []
    for camera, one in heard.items():
        word = UNKNOWN if one is None else one.reading.word
        states = (*tallies.cameras[camera], UNKNOWN)
        samples += [("", {"camera": camera, "state": state}, float(state == word)) for state in states]
    return samples


def _bad(known: Mapping[str, Heard]) -> list[Sample]:
    samples: list[Sample] = []
    for camera, one in known.items():
        health = one.reading.health
        found = health.detail if health.state == "BAD_PICTURE" else ""
        samples += [("", {"camera": camera, "kind": kind}, float(kind == found)) for kind in BAD_PICTURES]
    return samples


def _free(folder: Path) -> list[Sample]:
    try:
        return [("", {}, float(shutil.disk_usage(folder).free))]
    except OSError:
        return []  # a sample that is absent is what Prometheus expects of an unknown value


def _lines(metric: Metric) -> str:
    head = f"# HELP {metric.name} {metric.text}\n# TYPE {metric.name} {metric.kind}\n"
    return head + "".join(
        f"{metric.name}{suffix}{_labels(labels)} {_number(value)}\n"
        for suffix, labels, value in metric.samples
    )


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return repr(int(value)) if value == int(value) else repr(value)
