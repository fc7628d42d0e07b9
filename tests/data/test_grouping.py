"""Groups from what the data say, from time stamps with an embargo, and from names."""

from pathlib import Path

import numpy as np
import pytest

from kilnsense.data.folders import Sample
from kilnsense.data.grouping import Grouping, group_frames
from kilnsense.errors import ConfigError, InputError
from kilnsense.types import Frame


def sample(source: str, *, label: str = "under", group: str = "", time: str = "") -> Sample:
    return Sample(Path(source), source, label, group or source, time)


def frames(samples: list[Sample], *captured: str) -> list[Frame]:
    given = captured or ("",) * len(samples)
    return [
        Frame(np.zeros((4, 4, 3), np.uint8), source=one.source, captured_at=when)
        for one, when in zip(samples, given, strict=True)
    ]


def grouped(samples: list[Sample], way: str = "auto", block: float = 3600, embargo: float = 900) -> Grouping:
    return group_frames(samples, frames(samples), way=way, block=block, embargo=embargo)


def test_what_the_data_say_comes_first() -> None:
    samples = [sample("a_20260301_120000.png", group="run1"), sample("b_20260301_130000.png", group="run2")]
    found = grouped(samples)
    assert (found.way, found.sure, found.groups.tolist()) == ("given", True, ["run1", "run2"])
    train, test = np.array([0]), np.array([1])
    assert found.purged(train, test).tolist() == [0]  # no embargo without times
    assert grouped(samples, "none").groups.tolist() == [one.source for one in samples]
    assert not grouped(samples, "none").sure


@pytest.mark.parametrize(
    "names",
    [
        ["k_20260301-120000.jpg", "k_20260301-123000.jpg", "k_20260301-140000.jpg"],
        ["2026-03-01T12-00-00.png", "2026-03-01T12-30-00.png", "2026-03-01T14-00-00.png"],
        ["cam 2026.03.01 12.00.png", "cam 2026.03.01 12.30.png", "cam 2026.03.01 14.00.png"],
    ],
)
def test_times_in_names_make_blocks(names: list[str]) -> None:
    found = grouped([sample(name) for name in names])
    assert found.way == "time"
    assert found.sure
    assert found.groups[0] == found.groups[1] != found.groups[2]
    assert found.times[1] - found.times[0] == 1800
    assert found.words == "blocks of 60 minutes with an embargo of 15"


def test_time_of_the_manifest_and_of_the_file_come_before_that_of_the_name() -> None:
    samples = [sample("20260301_120000.png", time="10"), sample("20260301_120001.png")]
    found = group_frames(samples, frames(samples, "", "1970-01-01T00:01:00.000Z"), way="time")
    assert found.times.tolist() == [10.0, 60.0]
    samples = [sample("a.png", time="1970-01-01T01:00:00+01:00"), sample("b.png", time="1970-01-01 00:00:05")]
    assert grouped(samples, "time").times.tolist() == [0.0, 5.0]


def test_a_long_run_is_cut_and_its_border_is_not_learned_from() -> None:
    samples = [sample(f"f{number}.png", time=str(600 * number)) for number in range(12)]
    found = grouped(samples, "time", block=3600, embargo=900)
    assert found.groups.tolist() == ["block0000"] * 6 + ["block0001"] * 6
    train, test = np.arange(6), np.arange(6, 12)
    assert found.purged(train, test).tolist() == [0, 1, 2, 3, 4]  # the last lies 600 s before a judged frame
    assert found.purged(test, train).tolist() == [7, 8, 9, 10, 11]
    between = np.array([0, 11])
    assert found.purged(np.arange(1, 11), between).tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert grouped(samples, "time", embargo=0).purged(train, test).tolist() == train.tolist()


def test_every_purged_frame_is_near_and_no_kept_one_is() -> None:
    rng = np.random.default_rng(0)
    times = rng.uniform(0, 50_000, 80)
    samples = [sample(f"f{number}.png", time=str(time)) for number, time in enumerate(times)]
    found = grouped(samples, "time", embargo=700)
    test = np.flatnonzero(found.groups == found.groups[0])
    train = np.setdiff1d(np.arange(80), test)
    kept = found.purged(train, test)
    near = {int(row) for row in train if min(abs(times[row] - times[test])) < 700}
    assert near
    assert set(train.tolist()) - set(kept.tolist()) == near


def test_without_anything_stretches_of_names_stand_in() -> None:
    samples = [sample(f"under/img{number}.png") for number in range(100)]
    samples += [sample(f"over/img{number}.png", label="over") for number in range(100)]
    found = grouped(samples)
    assert (found.way, found.sure, found.words) == ("names", False, "stretches of consecutive file names")
    assert len(set(found.groups.tolist())) == 20
    # Ten in a row, sorted as people count: img9 before img10.
    assert found.groups[9] == found.groups[0] == "from under/img0.png"
    assert found.groups[10] == found.groups[19] == "from under/img10.png"
    assert found.groups[100] == "from over/img0.png"


def test_frames_without_a_run_beside_those_with_one_are_a_guess() -> None:
    samples = [sample(f"under/img{number}.png") for number in range(40)]
    samples += [sample(f"over/r1/img{number}.png", label="over", group="r1") for number in range(40)]
    found = grouped(samples)
    assert (found.way, found.guessed, found.sure) == ("given", 40, False)
    assert found.words == "camera runs, and stretches of consecutive file names where none is named"
    assert set(found.groups[40:].tolist()) == {"r1"}
    assert len(set(found.groups[:40].tolist())) == 10


@pytest.mark.parametrize("time", ["nan", "inf", "1767225600000", "-1e300"])
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(InputError, match="allowed: ISO 8601"):
        grouped([sample("a.png", time=time), sample("b.png", time="3")], "time")


def test_digits_that_are_a_date_are_one() -> None:
    found = grouped([sample("a.png", time="20260301140500"), sample("b.png", time="20260301140600")], "time")
    assert found.times[1] - found.times[0] == 60


def test_some_frames_without_time_are_no_time() -> None:
    samples = [sample("20260301_120000.png"), sample("late.png"), sample("20269999_990000.png")]
    assert grouped(samples).way == "names"
    with pytest.raises(InputError, match=r"2 of 3 frames have no time stamp \(the first: late.png\)"):
        grouped(samples, "time")
    with pytest.raises(InputError, match=r"a.png: got time 'noon', allowed: ISO 8601"):
        grouped([sample("a.png", time="noon")], "time")
    with pytest.raises(InputError, match="neither a manifest nor folders name a camera run"):
        grouped(samples, "given")
    with pytest.raises(ConfigError, match="got 'tiem', allowed: columns of the manifest, or auto, given"):
        grouped(samples, "tiem")
