"""The labelled frames of a comparison, their groups, and every file that is left out, with its reason."""

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilnsense.config import CompareConfig, Config, DataConfig
from kilnsense.data.folders import Sample, expect_per_class, group_columns, read_samples
from kilnsense.data.grouping import WAYS, Grouping, group_frames
from kilnsense.data.labelled import Labelled, Track
from kilnsense.data.loader import load
from kilnsense.data.unlabelled import filtered_files, unlabelled_files
from kilnsense.errors import ConfigError, InputError
from kilnsense.image.quality import assess
from kilnsense.recogniser import judged_mask
from kilnsense.types import Failure, Frame, Quality


@dataclass(frozen=True)
class LeftOut:
    """A file that is not judged.

    Attributes:
        path: below the root of the data.
        reason: ``unlabelled``, ``filtered`` (by data.keep), ``conflict`` (the same picture with another
            label), ``held_out`` or a key of FAILURE_REASONS.
        message: one sentence.
    """

    path: str
    reason: str
    message: str


@dataclass(frozen=True, eq=False)
class Compared:
    """What is compared on.

    Attributes:
        data: N usable frames, their labels and groups.
        qualities: one each.
        grouping: where the groups come from.
        left_out: all other files.
        merged: groups that share a picture and therefore became one, joined by `` + ``.
        fingerprint: SHA-256 over what was judged: path, label, group and bytes of every frame.
    """

    data: Labelled
    qualities: tuple[Quality, ...]
    grouping: Grouping
    left_out: tuple[LeftOut, ...]
    merged: tuple[str, ...]
    fingerprint: str


def settle_data(
    config: DataConfig, root: Path | None, group_by: str, *, named: Collection[str] = (), fresh: bool = False
) -> tuple[DataConfig, str]:
    """The data section for this comparison, and how to group.

    Args:
        config: as the model has it.
        root: the folder that was given; None: that of the config.
        group_by: a way of `kilnsense.data.grouping`, or columns of the manifest with commas.
        named: keys of the section that the command names itself. What is not named gives way where the
            folder is another one: a manifest that is not there to ``manifest.csv`` or to class folders, the
            column ``group`` to none.
        fresh: the config is that of a trained model: its filter and its held-out groups are of other data.

    Raises:
        ConfigError: columns are named to group by, and there is no manifest.
    """
    values = config.model_dump()
    if root is not None:
        values["root"] = str(root)
        if "manifest" not in named and not (config.manifest and (root / config.manifest).is_file()):
            values["manifest"] = "manifest.csv" if (root / "manifest.csv").is_file() else ""
        if fresh:
            values |= {name: DataConfig.model_fields[name].default for name in FILTERS if name not in named}
    if group_by not in WAYS:
        if not values["manifest"]:
            raise ConfigError(
                f"--group-by {group_by}: names columns, and {values['root']} has no manifest; give one with "
                f"--set data.manifest=FILE, or one of {', '.join(WAYS)}"
            )
        values["group_column"], group_by = group_by, "given"
    elif values["manifest"] and group_by == "auto" and values["group_column"] == DEFAULT_GROUP:
        values["group_column"] = _known_columns(DataConfig(**values))
    return DataConfig(**values), group_by


FILTERS = ("keep", "held_out")
DEFAULT_GROUP = DataConfig.model_fields["group_column"].default


def _known_columns(config: DataConfig) -> str:
    """The group column, or nothing where the manifest has no such column."""
    try:
        with (Path(config.root) / config.manifest).open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return config.group_column  # reading it properly will say what is wrong
    return config.group_column if set(group_columns(config)) <= set(header) else ""


def read_compared(settings: CompareConfig, *, track: Track = iter) -> Compared:
    """Reads the labelled frames of a comparison.

    Raises:
        SourceError, InputError: as `read_samples`; no usable frame; a class without any.
    """
    config = settings.base
    samples = read_samples(config.data, config.classes, skip_unlabelled=True)
    left_out = [
        LeftOut(source, "unlabelled", "it has no label; label it, or take it away")
        for source in unlabelled_files(config.data)
    ]
    left_out += [
        LeftOut(source, "filtered", "data.keep leaves it out") for source in filtered_files(config.data)
    ]
    left_out += [
        LeftOut(each.source, "held_out", f"group {each.group} is kept apart by data.held_out")
        for each in samples
        if each.group in config.data.held_out
    ]
    samples = [each for each in samples if each.group not in config.data.held_out]
    expect_per_class(samples, config.classes, 2, where=f"--data {config.data.root}")
    frames, kept, failures = _decode(samples, config, track)
    left_out += [LeftOut(each.source, each.reason, each.message) for each in failures]
    kept, frames, conflicts = _without_conflicts(kept, frames)
    left_out += conflicts
    for name in config.classes:
        if name not in {each.label for each in kept}:
            own = {each.source for each in samples if each.label == name}
            first = next(f"{each.path}: {each.message}" for each in left_out if each.path in own)
            raise InputError(f"class {name!r}: none of its files can be judged (the first: {first})")
    grouping = group_frames(
        kept,
        frames,
        way=settings.group_by,
        block=60 * settings.block_minutes,
        embargo=60 * settings.embargo_minutes,
    )
    groups, merged = _merged([frame.sha256 for frame in frames], grouping.groups)
    labels = np.array([config.classes.index(each.label) for each in kept], np.int64)
    return Compared(
        data=Labelled(config.classes, tuple(frames), labels, groups),
        qualities=tuple(assess(each, config.quality, mask=judged_mask(each, config)) for each in frames),
        grouping=grouping,
        left_out=tuple(sorted(left_out, key=lambda each: each.path)),
        merged=tuple(merged),
        fingerprint=_fingerprint(kept, frames, groups),
    )


def _decode(
    samples: Sequence[Sample], config: Config, track: Track
) -> tuple[list[Frame], list[Sample], list[Failure]]:
    frames, kept, failures = [], [], []
    paths = [each.path for each in samples]
    items = track(load(paths, root=Path(config.data.root), config=config.image))
    for sample, item in zip(samples, items, strict=True):
        if isinstance(item, Failure):
            failures.append(item)
        else:
            frames.append(item)
            kept.append(sample)
    if not frames:
        first = f" (the first: {failures[0].message})" if failures else ""
        raise InputError(f"none of the {len(samples)} labelled files is a usable picture{first}")
    return frames, kept, failures


def _without_conflicts(
    samples: Sequence[Sample], frames: Sequence[Frame]
) -> tuple[list[Sample], list[Frame], list[LeftOut]]:
    """Takes out every copy of a picture that lies there with two labels: nobody knows its truth."""
    labels: dict[str, dict[str, str]] = defaultdict(dict)
    for sample, frame in zip(samples, frames, strict=True):
        labels[frame.sha256].setdefault(sample.label, sample.source)
    conflicts, kept, good = [], [], []
    for sample, frame in zip(samples, frames, strict=True):
        others = {name: path for name, path in labels[frame.sha256].items() if name != sample.label}
        for name, path in others.items():
            message = f"it is labelled {sample.label}, the same picture {path} {name}; keep the right one"
            conflicts.append(LeftOut(sample.source, "conflict", message))
            break
        if not others:
            kept.append(sample)
            good.append(frame)
    return kept, good, conflicts


def _merged(digests: Sequence[str], groups: NDArray[np.str_]) -> tuple[NDArray[np.str_], list[str]]:
    """Groups that hold copies of one picture become one: else a fold would have a copy on either side."""
    leader = {name: name for name in groups.tolist()}

    def lead(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    first: dict[str, str] = {}
    for digest, name in zip(digests, groups.tolist(), strict=True):
        other = first.setdefault(digest, name)
        low, high = sorted((lead(name), lead(other)))
        leader[high] = low
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(leader):
        members[lead(name)].append(name)
    names = {head: " + ".join(joined) for head, joined in members.items()}
    merged = [names[head] for head, joined in members.items() if len(joined) > 1]
    return np.array([names[lead(name)] for name in groups.tolist()]), merged


def _fingerprint(samples: Sequence[Sample], frames: Sequence[Frame], groups: NDArray[np.str_]) -> str:
    lines = [
        json.dumps([sample.source, sample.label, group, frame.sha256])
        for sample, frame, group in zip(samples, frames, groups.tolist(), strict=True)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
