"""The text is read by a strict parser of its own; the files for Grafana and Prometheus name what is in it."""

import json
import math
import re
from pathlib import Path

import pytest
import yaml

from kilnsense import __version__
from kilnsense.links.metrics import BUCKETS, Tallies, metrics_text
from kilnsense.types import BAD_PICTURES, Reading
from tests.links.made import AT, CLASSES, event, health, reading

CONFIGS = Path(__file__).parents[2] / "configs"
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SUFFIXES = {"gauge": ("",), "counter": ("",), "histogram": ("_bucket", "_sum", "_count")}

Labels = tuple[tuple[str, str], ...]


class Ill:
    """A link with something wrong."""

    def reading(self, reading: Reading) -> None: ...

    def alarm(self, event: object) -> None: ...

    def trouble(self) -> str:
        return "the broker is away"

    def close(self) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def parse(text: str) -> dict[tuple[str, Labels], float]:
    """Samples by name and labels; fails on whatever the format 0.0.4 does not allow."""
    samples: dict[tuple[str, Labels], float] = {}
    kinds: dict[str, str] = {}
    helped, current = set(), ""
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            found = re.fullmatch(rf"# HELP ({NAME}) (?:[^\\]|\\\\|\\n)+", line)
            assert found, line
            assert found[1] not in helped, line
            current = found[1]
            helped.add(current)
        elif line.startswith("# TYPE "):
            found = re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line)
            assert found, line
            assert found[1] == current, line
            assert found[1] not in kinds, line
            kinds[current] = found[2]
        else:
            found = re.fullmatch(rf"({NAME})(?:\{{((?:{LABEL},)*{LABEL})\}})? (\S+)", line)
            assert found, line
            allowed = [current + suffix for suffix in SUFFIXES[kinds[current]]]
            assert found[1] in allowed, line
            labels = tuple(re.findall(LABEL, found[2] or ""))
            assert len({name for name, _ in labels}) == len(labels), line
            key = (found[1], tuple(sorted(labels)))
            assert key not in samples, line
            samples[key] = float(found[found.re.groups])
            assert not math.isnan(samples[key]), line
    assert helped == kinds.keys()
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in kinds.items())
    return samples


def told(folder: Path, tallies: Tallies, *alarms: object) -> dict[tuple[str, Labels], float]:
    links = {"mqtt": Ill(), "metrics": tallies}
    return parse(metrics_text(tallies, alarms, links, folder=folder))  # type: ignore[arg-type]


def of(samples: dict[tuple[str, Labels], float], name: str, **labels: str) -> float:
    return samples[f"kilnsense_{name}", tuple(sorted(labels.items()))]


def busy() -> tuple[Tallies, Clock]:
    clock = Clock()
    tallies = Tallies({"kiln1": CLASSES, "kiln2": CLASSES}, stale_s=5.0, clock=clock)
    tallies.reading(reading("over", how=health(frames=250, reconnects=3)))
    tallies.alarm(event(0))
    return tallies, clock


def test_what_a_camera_says_is_told(tmp_path: Path) -> None:
    tallies, clock = busy()
    clock.now = 1.0
    samples = told(tmp_path, tallies)
    states = {name: of(samples, "state", camera="kiln1", state=name) for name in (*CLASSES, "UNKNOWN")}
    assert states == {"under": 0, "normal": 0, "over": 1, "UNKNOWN": 0}
    expected = {
        "frames_total": 250,
        "reconnects_total": 3,
        "camera_up": 1,
        "confidence": 0.9,
        "frame_age_seconds": 1.2,
        "last_frame_timestamp_seconds": AT - 0.2,
    }
    assert {name: of(samples, name, camera="kiln1") for name in expected} == pytest.approx(expected)
    assert of(samples, "build_info", version=__version__) == 1
    assert of(samples, "storage_free_bytes") > 0
    assert (of(samples, "link_trouble", link="mqtt"), of(samples, "link_trouble", link="metrics")) == (1, 0)


def test_a_camera_that_says_nothing_is_down_and_unknown(tmp_path: Path) -> None:
    tallies, clock = busy()
    clock.now = 5.5
    samples = told(tmp_path, tallies)
    for camera in ("kiln1", "kiln2"):  # one that fell silent, one that never spoke
        assert of(samples, "state", camera=camera, state="UNKNOWN") == 1
        assert of(samples, "state", camera=camera, state="over") == 0
        assert of(samples, "camera_up", camera=camera) == 0
    assert of(samples, "confidence", camera="kiln1") == 0


def test_a_bad_picture_is_told_by_its_kind(tmp_path: Path) -> None:
    tallies, _ = busy()
    tallies.reading(reading(None, reason="bad_picture", how=health("BAD_PICTURE", "frozen")))
    samples = told(tmp_path, tallies)
    kinds = {kind: of(samples, "picture_bad", camera="kiln1", kind=kind) for kind in BAD_PICTURES}
    assert kinds == {**dict.fromkeys(BAD_PICTURES, 0), "frozen": 1}
    assert of(samples, "camera_up", camera="kiln1") == 0


def test_alarms_are_counted_when_they_are_raised_and_told_while_active(tmp_path: Path) -> None:
    tallies, _ = busy()
    tallies.alarm(event(1, "acknowledged"))
    tallies.alarm(event(2, "cleared", active=False))
    tallies.alarm(event(3))
    tallies.alarm(event(4, "configured", camera="", active=False))
    samples = told(tmp_path, tallies, event(3).status, event(4, camera="", active=False).status)
    assert of(samples, "alarms_total", alarm="kiln1.over") == 2
    assert of(samples, "alarms_total", alarm="storage") == 0
    assert of(samples, "alarm_active", alarm="kiln1.over") == 1
    assert of(samples, "alarm_active", alarm="storage") == 0


def test_the_histogram_counts_up_to_each_bound(tmp_path: Path) -> None:
    tallies, _ = busy()
    times = [0.005, 0.01, 0.0100001, 0.3, 7.0]
    for seconds in times:
        tallies.inferred("kiln1", seconds)
    samples = told(tmp_path, tallies)
    for bound in (*BUCKETS, math.inf):
        word = "+Inf" if bound == math.inf else repr(int(bound)) if bound == int(bound) else repr(bound)
        count = sum(1 for seconds in times if seconds <= bound)
        assert of(samples, "inference_seconds_bucket", camera="kiln1", le=word) == count
    assert of(samples, "inference_seconds_count", camera="kiln1") == 5
    assert of(samples, "inference_seconds_sum", camera="kiln1") == pytest.approx(sum(times))
    assert of(samples, "inference_seconds_count", camera="kiln2") == 0


def test_odd_names_are_escaped_and_a_missing_folder_is_left_out(tmp_path: Path) -> None:
    odd = 'a "quoted"\\ name\nof two lines'
    tallies = Tallies({"kiln1": (odd, "normal")})
    samples = told(tmp_path / "none", tallies)
    written = odd.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    assert of(samples, "state", camera="kiln1", state=written) == 0
    assert not any(name == "kilnsense_storage_free_bytes" for name, _ in samples)


@pytest.mark.parametrize(
    "text",
    [
        "x 1\n",
        "# HELP x a\n# TYPE x gauge\nx 1\nx 1\n",
        "# HELP x a\n# TYPE x gauge\ny 1\n",
        '# HELP x a\n# TYPE x gauge\nx{a="b"c"} 1\n',
        "# HELP x a\n# TYPE x gauge\nx 1",
        "# HELP x a\n# TYPE x counter\nx 1\n",
    ],
)
def test_the_parser_is_strict(text: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        parse(text)


def known(folder: Path) -> set[str]:
    tallies, _ = busy()
    return {name for name, _ in told(folder, tallies, event(0).status)}


def named(expressions: list[str]) -> set[str]:
    return {name for one in expressions for name in re.findall(r"\bkilnsense_[a-z_]+", one)}


def test_the_rules_name_metrics_that_exist_and_say_what_is_wrong(tmp_path: Path) -> None:
    found = yaml.safe_load((CONFIGS / "alerts.yml").read_text(encoding="utf-8"))
    rules = [rule for group in found["groups"] for rule in group["rules"]]
    assert named([rule["expr"] for rule in rules]) <= known(tmp_path)
    assert all(named([rule["expr"]]) for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules) > 8
    for rule in rules:
        assert rule["annotations"]["summary"].strip()
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("none", "warning", "critical")
    assert any(rule["expr"].startswith("absent(") for rule in rules)  # the dead man


def test_the_dashboard_names_metrics_that_exist(tmp_path: Path) -> None:
    found = json.loads((CONFIGS / "grafana.json").read_text(encoding="utf-8"))
    source, camera = found["templating"]["list"]
    assert (source["type"], camera["type"]) == ("datasource", "query")
    reference = {"type": "prometheus", "uid": "${" + source["name"] + "}"}
    expressions = [camera["definition"]]
    for panel in found["panels"]:
        assert panel["datasource"] == reference
        for target in panel["targets"]:
            assert target["datasource"] == reference
            assert named([target["expr"]])
            expressions.append(target["expr"])
    seen = named(expressions)
    assert seen <= known(tmp_path)
    wanted = ("state", "confidence", "frame_age_seconds", "camera_up", "alarm_active", "reconnects_total")
    assert {f"kilnsense_{name}" for name in wanted} <= seen
    assert "state-timeline" in {panel["type"] for panel in found["panels"]}
    assert found["schemaVersion"] >= 36  # Grafana 9, so 10 and later read it
    assert found["id"] is None


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    found = json.loads((CONFIGS / "grafana.json").read_text(encoding="utf-8"))
    cells = [
        (x, y)
        for panel in found["panels"]
        for place in (panel["gridPos"],)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
