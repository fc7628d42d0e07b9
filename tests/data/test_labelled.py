"""Labelled frames in memory: what is kept, what is left out, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from kilnsense.config import Config
from kilnsense.data.folders import Sample, read_samples
from kilnsense.data.labelled import Labelled, read_labelled
from kilnsense.errors import InputError


def test_frames_labels_and_groups_stay_together(tiny_config: Config) -> None:
    samples = read_samples(tiny_config.data, tiny_config.classes)
    data, failures = read_labelled(samples, tiny_config)
    assert failures == []
    assert [frame.source for frame in data.frames] == [sample.source for sample in samples]
    assert data.names.tolist() == [sample.label for sample in samples]
    assert data.groups.tolist() == [sample.group for sample in samples]
    part = data.subset(np.array([5, 2]))
    assert [frame.source for frame in part.frames] == [samples[5].source, samples[2].source]
    assert part.names.tolist() == [samples[5].label, samples[2].label]


def test_a_broken_file_is_left_out_with_its_label(tiny_config: Config, tmp_path: Path) -> None:
    samples = read_samples(tiny_config.data, tiny_config.classes)[:3]
    broken = Path(tiny_config.data.root) / "broken.jpg"
    broken.write_bytes(b"no picture")
    try:
        samples.insert(1, Sample(broken, "broken.jpg", "over", "x"))
        data, failures = read_labelled(samples, tiny_config)
        assert [failure.source for failure in failures] == ["broken.jpg"]
        assert data.names.tolist() == [samples[row].label for row in (0, 2, 3)]
        with pytest.raises(InputError, match="none of the 1 labelled files is a usable picture"):
            read_labelled(samples[1:2], tiny_config)
    finally:
        broken.unlink()


def test_one_picture_in_two_groups_is_refused(tiny_config: Config) -> None:
    """Twice in one group it may be: that group is on one side of every split."""
    first, *_ = read_samples(tiny_config.data, tiny_config.classes)
    twice = Sample(first.path, "again.jpg", first.label, first.group)
    assert len(read_labelled([first, twice], tiny_config)[0]) == 2
    other = Sample(first.path, "again.jpg", first.label, "other")
    with pytest.raises(InputError, match=f"again.jpg of group 'other' is the same picture as {first.source}"):
        read_labelled([first, other], tiny_config)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="0 frames, 1 labels, 0 groups"):
        Labelled(("a", "b"), (), np.zeros(1, np.int64), np.array([], np.str_))
