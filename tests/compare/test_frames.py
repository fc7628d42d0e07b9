"""Every file is judged or named: labels, conflicts, copies, broken files, groups."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kilnsense.compare.frames import read_compared, settle_data
from kilnsense.config import CompareConfig, Config, DataConfig
from kilnsense.errors import ConfigError, InputError

Make = Callable[[str], Path]
HEAD = "path,label,group\n"
ROWS = {
    f"run00{run}_0000{frame}": label
    for run, label in enumerate(("under", "normal", "over") * 2)
    for frame in range(2)
}


def settings(root: Path, tiny_config: Config, **changes: object) -> CompareConfig:
    data = DataConfig(root=str(root), manifest="manifest.csv", **changes)  # type: ignore[arg-type]
    return CompareConfig(base=tiny_config.model_copy(update={"data": data}))


def lines(ending: str, rows: dict[str, str] = ROWS) -> str:
    return HEAD + "".join(f"{name}{ending},{label},{name[:6]}\n" for name, label in rows.items())


@pytest.fixture
def ending(tiny_root: Path) -> str:
    return next(iter(sorted(tiny_root.glob("run000/*")))).suffix


def test_all_is_well(labelled_folder: Make, tiny_config: Config, ending: str) -> None:
    root = labelled_folder(lines(ending))
    compared = read_compared(settings(root, tiny_config))
    assert len(compared.data) == 12
    assert compared.grouping.way == "given"
    assert compared.merged == ()
    # The frames that stand in no row are named.
    assert len(compared.left_out) == 36
    assert {one.reason for one in compared.left_out} == {"unlabelled"}
    assert read_compared(settings(root, tiny_config)).fingerprint == compared.fingerprint
    swapped = {**ROWS, "run000_00001": "normal"}
    (root / "manifest.csv").write_text(lines(ending, swapped), encoding="utf-8")
    assert read_compared(settings(root, tiny_config)).fingerprint != compared.fingerprint


def test_a_picture_with_two_labels_is_judged_in_none_of_its_copies(
    labelled_folder: Make, tiny_config: Config, ending: str
) -> None:
    root = labelled_folder(lines(ending) + f"copy{ending},over,run000\n")
    (root / f"copy{ending}").write_bytes((root / f"run000_00000{ending}").read_bytes())
    compared = read_compared(settings(root, tiny_config))
    conflicts = {one.path: one.message for one in compared.left_out if one.reason == "conflict"}
    assert set(conflicts) == {f"copy{ending}", f"run000_00000{ending}"}
    assert conflicts[f"copy{ending}"].startswith(
        f"it is labelled over, the same picture run000_00000{ending} under"
    )
    assert len(compared.data) == 11


def test_groups_that_share_a_picture_become_one(
    labelled_folder: Make, tiny_config: Config, ending: str
) -> None:
    root = labelled_folder(lines(ending) + f"copy{ending},under,run003\nother{ending},normal,run004\n")
    (root / f"copy{ending}").write_bytes((root / f"run000_00000{ending}").read_bytes())
    (root / f"other{ending}").write_bytes((root / f"run001_00000{ending}").read_bytes())
    compared = read_compared(settings(root, tiny_config))
    assert compared.merged == ("run000 + run003", "run001 + run004")
    assert set(compared.data.groups.tolist()) == {"run000 + run003", "run001 + run004", "run002", "run005"}
    assert len(compared.data) == 14


def test_broken_and_held_out_files_are_named(labelled_folder: Make, tiny_config: Config, ending: str) -> None:
    root = labelled_folder(lines(ending))
    (root / f"run001_00001{ending}").write_bytes(b"no picture")
    (root / f"run002_00001{ending}").write_bytes((root / f"run002_00001{ending}").read_bytes()[:-900])
    compared = read_compared(settings(root, tiny_config, held_out=("run005",)))
    reasons = {one.path: one.reason for one in compared.left_out if one.reason != "unlabelled"}
    assert reasons == {
        f"run001_00001{ending}": "not_an_image",
        f"run002_00001{ending}": "truncated",
        f"run005_00000{ending}": "held_out",
        f"run005_00001{ending}": "held_out",
    }
    assert "run005" not in compared.data.groups


def test_a_class_without_any_picture_is_an_error_and_labels_that_nobody_knows_too(
    labelled_folder: Make, tiny_config: Config, ending: str
) -> None:
    root = labelled_folder(lines(ending))
    for name, label in ROWS.items():
        if label == "over":
            (root / f"{name}{ending}").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"class 'over': none of its files can be judged \(the first: run002"
    ):
        read_compared(settings(root, tiny_config))
    (root / "manifest.csv").write_text(lines(ending, {**ROWS, "run000_00003": "burnt"}), encoding="utf-8")
    with pytest.raises(InputError, match=r"label 'burnt' is no class, allowed: under, normal, over"):
        read_compared(settings(root, tiny_config))


def test_where_the_labels_and_groups_come_from(tmp_path: Path) -> None:
    config = DataConfig(root="trained/here", manifest="labels.csv")
    assert settle_data(config, None, "none") == (config, "none")
    with pytest.raises(ConfigError, match=r"--group-by kiln: names columns, and .* has no manifest"):
        settle_data(config, tmp_path, "kiln")
    assert settle_data(config, tmp_path, "auto", named=["manifest"])[0].manifest == "labels.csv"
    data, way = settle_data(config, tmp_path, "auto")
    assert (data.root, data.manifest, way) == (str(tmp_path), "", "auto")
    (tmp_path / "manifest.csv").write_text("path,label,kiln,day\n", encoding="utf-8")
    data, way = settle_data(config, tmp_path, "auto")
    assert (data.manifest, data.group_column, way) == ("manifest.csv", "", "auto")
    data, way = settle_data(config, tmp_path, "kiln,day")
    assert (data.group_column, way) == ("kiln,day", "given")
    typed = config.model_copy(update={"group_column": "gruop"})
    assert settle_data(typed, tmp_path, "auto")[0].group_column == "gruop"  # reading it will be refused
    learned = config.model_copy(update={"keep": {"usable": "1"}, "held_out": ("run7",)})
    assert settle_data(learned, tmp_path, "auto")[0].held_out == ("run7",)
    fresh, _ = settle_data(learned, tmp_path, "auto", named=["keep"], fresh=True)
    assert (fresh.keep, fresh.held_out) == ({"usable": "1"}, ())
    (tmp_path / "labels.csv").write_text("path,label,group\n", encoding="utf-8")
    data, _ = settle_data(config, tmp_path, "auto")
    assert (data.manifest, data.group_column) == ("labels.csv", "group")
