"""From a folder, or a manifest, to a sorted list of labelled samples; strict about everything in between."""

import csv
import difflib
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kilnsense.config import DataConfig
from kilnsense.errors import InputError, SourceError
from kilnsense.parts import near_match

SPLIT_COLUMN = "split"
"""A manifest with this column has one value of it per group, and one in all that is learned from."""

SYSTEM_FILES = ("Thumbs.db", "desktop.ini")
"""Files that an operating system leaves in picture folders; beside hidden files the only ones passed over."""


@dataclass(frozen=True)
class Sample:
    """One labelled picture.

    Attributes:
        path: where the file is.
        source: the path relative to the root of the data, POSIX separators.
        label: one of the configured classes.
        group: the camera run, video or shift it belongs to; never split across train and test.
        time: when it was taken, as the manifest says; "" where it does not.
    """

    path: Path
    source: str
    label: str
    group: str
    time: str = ""


def read_samples(
    config: DataConfig,
    classes: Sequence[str],
    *,
    base: Path | None = None,
    every_class: bool = True,
    skip_unlabelled: bool = False,
) -> list[Sample]:
    """The labelled samples of a folder of class folders, or of a manifest, sorted by source.

    Without a manifest, ``root/<class>/<run>/.../frame.png`` belongs to the group ``<run>`` (the same name
    below two classes is one run), and a picture directly in the class folder is a group of its own.

    Args:
        config: root, manifest, columns and filters.
        classes: the allowed labels.
        base: what a relative `config.root` starts from; the working directory if None.
        every_class: False lets a class be without samples, as in a set that is judged only.
        skip_unlabelled: True passes over rows of a manifest without a label, see `unlabelled_files`.

    Raises:
        SourceError: the root or the manifest is not there or cannot be read.
        InputError: unknown label, missing label, column or file, a path twice, a group in two splits,
            a class without samples, unless that is allowed; rows of several splits that neither
            `config.keep` nor `config.held_out` tells apart.
    """
    root = (base or Path()) / config.root
    if not root.is_dir():
        raise SourceError(f"data.root: {root} is no folder; give the folder of the labelled frames")
    if config.manifest:
        samples = _from_manifest(root, config, classes, skip_unlabelled=skip_unlabelled)
    else:
        samples = _from_class_folders(root, classes)
    if every_class:
        expect_per_class(samples, classes, 1, where=str(root / config.manifest))
    return sorted(samples, key=lambda sample: sample.source)


def expect_per_class(samples: Sequence[Sample], classes: Sequence[str], needed: int, *, where: str) -> None:
    """Checks that every class has at least `needed` samples.

    Raises:
        InputError: names the class, its count, and what to do.
    """
    counts = Counter(sample.label for sample in samples)
    found = [name for name in classes if counts[name]]
    if len(found) == 1:
        raise InputError(
            f"{where}: all {len(samples)} samples are of class {found[0]!r}, needed: two classes or more; "
            f"add samples of {_listed(name for name in classes if name != found[0])}"
        )
    for name in classes:
        if counts[name] < needed:
            have = (
                f"{counts[name]} sample{'' if counts[name] == 1 else 's'}" if counts[name] else "no samples"
            )
            raise InputError(
                f"{where}: class {name!r} has {have}, needed: {needed} or more; "
                f"add some, or take the class out of `classes`"
            )


def list_images(root: Path) -> list[Path]:
    """Every file below a folder, sorted by its POSIX path relative to the folder.

    No file is passed over for its name: one that is no picture gets its own row with a reason later. Left
    out are hidden files and folders (a leading dot), `SYSTEM_FILES`, and folders reached through a link. A
    single file may be given in place of a folder.

    Raises:
        SourceError: the folder is not there, or it or one below it cannot be read.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise SourceError(f"source {root}: is not there; give a folder of pictures or one picture")
    return sorted(_walk(root), key=lambda path: path.relative_to(root).as_posix())


def _walk(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise SourceError(
            f"source {error.filename}: cannot be listed ({error.strerror}); mend its permissions"
        ) from error

    for folder, below, files in os.walk(root, onerror=refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and name not in SYSTEM_FILES:
                yield Path(folder) / name


def _from_class_folders(root: Path, classes: Sequence[str]) -> list[Sample]:
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise InputError(
            f"data.root: {root} holds no class folders, allowed: one each of {_listed(classes)}; "
            f"or name a CSV in data.manifest"
        )
    _expect_labels([(f"{root}: folder", name) for name in folders], classes)
    samples = []
    for label in folders:
        for path in list_images(root / label):
            source = path.relative_to(root).as_posix()
            inner = path.relative_to(root / label).parts
            samples.append(Sample(path, source, label, inner[0] if len(inner) > 1 else source))
    return samples


def _from_manifest(
    root: Path, config: DataConfig, classes: Sequence[str], *, skip_unlabelled: bool
) -> list[Sample]:
    manifest = root / config.manifest
    rows = read_rows(manifest, config)
    if skip_unlabelled:
        rows = [(line, row) for line, row in rows if row[config.label_column]]
    kept = [(line, row) for line, row in rows if is_kept(row, config)]
    _expect_labels(
        [(f"manifest {manifest}, line {line}: label", row[config.label_column]) for line, row in kept],
        classes,
    )
    samples: list[Sample] = []
    lines: dict[str, int] = {}
    splits: dict[str, str] = {}
    for line, row in rows:
        where = f"manifest {manifest}, line {line}"
        source = Path(row[config.path_column].replace("\\", "/")).as_posix()
        label, group = row[config.label_column], _group(row, config) or source
        split = row.get(SPLIT_COLUMN, "")
        if splits.setdefault(group, split) != split:
            raise InputError(
                f"{where}: group {group!r} is in split {split!r} and in split {splits[group]!r}; frames of "
                f"one run resemble each other, so give the whole group one split"
            )
        if not is_kept(row, config):
            continue
        if source in lines:
            raise InputError(f"{where}: {source} stands in line {lines[source]} too; keep one of them")
        lines[source] = line
        path = root / source
        if not row[config.path_column] or not path.is_file():
            raise InputError(f"{where}: no file {source!r} below {root}; paths start from data.root")
        time = row[config.time_column] if config.time_column else ""
        samples.append(Sample(path, source, label, group, time))
    _expect_one_split(manifest, {splits[each.group] for each in samples if each.group not in config.held_out})
    if not samples:
        wanted = ", ".join(f"{column}={value}" for column, value in config.keep.items())
        raise InputError(f"manifest {manifest}: no rows left{f' after data.keep {wanted}' if wanted else ''}")
    return samples


def _group(row: Mapping[str, str], config: DataConfig) -> str:
    """The cells of the group columns with slashes between them; "" where one of them is empty."""
    cells = [row[column] for column in group_columns(config)]
    return "/".join(cells) if all(cells) else ""


def group_columns(config: DataConfig) -> list[str]:
    """The names of the columns that make a group."""
    return [name.strip() for name in config.group_column.split(",") if name.strip()]


def _expect_one_split(manifest: Path, found: set[str]) -> None:
    if len(found) > 1:
        values = ", ".join(map(repr, sorted(found)))
        raise InputError(
            f"manifest {manifest}: column {SPLIT_COLUMN!r} holds {values} and is not obeyed: all these rows "
            f"would be learned from; choose with data.keep: {{{SPLIT_COLUMN}: train}}, or name the groups to "
            f"keep apart in data.held_out"
        )


def is_kept(row: Mapping[str, str], config: DataConfig) -> bool:
    """Whether a row of a manifest passes the filter of the config."""
    return all(row[column] == value for column, value in config.keep.items())


def read_rows(manifest: Path, config: DataConfig) -> list[tuple[int, dict[str, str]]]:
    """(line, cells by column) of every row of a manifest that has the columns of the config.

    Raises:
        SourceError: it cannot be read.
        InputError: it is no UTF-8 CSV, lacks a column, or has a row that is too long.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            columns = list(reader.fieldnames or [])
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise SourceError(f"data.manifest: {manifest} cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"manifest {manifest}: is no UTF-8 CSV ({error}); save it as CSV UTF-8") from error
    times = [config.time_column] if config.time_column else []
    for column in (config.path_column, config.label_column, *group_columns(config), *times, *config.keep):
        if column not in columns:
            hint = near_match(column, columns)
            raise InputError(
                f"manifest {manifest}: no column {column!r}, there are: {_listed(columns)}{hint}"
            )
    for line, row in rows:
        if None in row:
            raise InputError(f"manifest {manifest}, line {line}: more cells than the header has columns")
    return [(line, {key: value.strip() for key, value in row.items()}) for line, row in rows]


def _expect_labels(found: Sequence[tuple[str, str]], classes: Sequence[str]) -> None:
    """Checks (where, label) pairs; all labels that are no class are named, the first with its place."""
    wrong = [(where, label) for where, label in found if label not in classes]
    if not wrong:
        return
    where, label = wrong[0]
    if not label:
        raise InputError(
            f"{where} is empty, allowed: {_listed(classes)}; label the row, or leave it out with data.keep"
        )
    folded = {name.casefold(): name for name in classes}
    close = difflib.get_close_matches(label.casefold(), folded, n=1, cutoff=0.6)
    hint = f"; did you mean {folded[close[0]]!r}?" if close else ""
    counts = Counter(other for _, other in wrong)
    times = f" ({counts[label]} times)" if counts[label] > 1 else ""
    others = ", ".join(f"{other!r} ({count})" for other, count in counts.items() if other not in (label, ""))
    more = f"; nor are {others}" if others else ""
    raise InputError(f"{where} {label!r} is no class{times}, allowed: {_listed(classes)}{hint}{more}")


def _listed(names: Collection[str] | Iterator[str]) -> str:
    return ", ".join(names) or "none"
