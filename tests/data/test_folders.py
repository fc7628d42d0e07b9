import os
from pathlib import Path

import pytest

from kilnsense.config import DataConfig
from kilnsense.data.folders import Sample, expect_per_class, list_images, read_samples
from kilnsense.errors import InputError, SourceError

CLASSES = ("under", "normal", "over")


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def manifest(root: Path, *lines: str, header: str = "path,label,group") -> DataConfig:
    text = "\n".join([header, *lines]) + "\n"
    (root / "manifest.csv").write_text(text, encoding="utf-8")
    return DataConfig(root=str(root), manifest="manifest.csv")


def test_class_folders_give_sorted_samples_with_the_run_as_group(tmp_path: Path) -> None:
    touch(tmp_path, "under/run2/b.png", "under/run2/deep/a.png", "normal/c.png", "over/run2/d.png", ".git/x")
    samples = read_samples(DataConfig(root=str(tmp_path)), CLASSES)
    assert [(s.source, s.label, s.group) for s in samples] == [
        ("normal/c.png", "normal", "normal/c.png"),
        ("over/run2/d.png", "over", "run2"),
        ("under/run2/b.png", "under", "run2"),
        ("under/run2/deep/a.png", "under", "run2"),
    ]
    assert samples[0].path == tmp_path / "normal/c.png"


def test_relative_root_starts_from_base(tmp_path: Path) -> None:
    touch(tmp_path, "frames/lean/a.png", "frames/rich/b.png")
    samples = read_samples(DataConfig(root="frames"), ("lean", "rich"), base=tmp_path)
    assert [sample.source for sample in samples] == ["lean/a.png", "rich/b.png"]


def test_manifest_gives_samples_sorted_by_source(tmp_path: Path) -> None:
    touch(tmp_path, "f/b.png", "f/a.png", "f/c.png")
    config = manifest(tmp_path, "f/b.png,under,r1", "f\\a.png, over ,r2", "f/c.png,normal,")
    assert read_samples(config, CLASSES) == [
        Sample(tmp_path / "f/a.png", "f/a.png", "over", "r2"),
        Sample(tmp_path / "f/b.png", "f/b.png", "under", "r1"),
        Sample(tmp_path / "f/c.png", "f/c.png", "normal", "f/c.png"),
    ]


def test_keep_leaves_rows_out_before_they_are_checked(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    config = manifest(
        tmp_path, "a.png,under,r,yes", "b.png,over,r,yes", "gone.png,,r,no", header="path,label,group,usable"
    )
    kept = config.model_copy(update={"keep": {"usable": "yes"}})
    assert len(read_samples(kept, ("under", "over"))) == 2


def test_a_group_may_have_several_labels_and_one_split(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    config = manifest(tmp_path, "a.png,under,r,train", "b.png,over,r,train", header="path,label,group,split")
    assert {sample.group for sample in read_samples(config, ("under", "over"))} == {"r"}


def test_rows_of_several_splits_are_not_mixed_in_silence(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c.png")
    lines = ("a.png,under,r,train", "b.png,over,r,train", "c.png,over,s,test")
    config = manifest(tmp_path, *lines, header="path,label,group,split")
    with pytest.raises(
        InputError, match=r"holds 'test', 'train' and is not obeyed.*data\.keep: {split: train}"
    ):
        read_samples(config, ("under", "over"))
    kept = config.model_copy(update={"keep": {"split": "train"}})
    assert [sample.source for sample in read_samples(kept, ("under", "over"))] == ["a.png", "b.png"]
    apart = config.model_copy(update={"held_out": ("s",)})
    assert len(read_samples(apart, ("under", "over"))) == 3


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (["a.png,Under,r"], "path,label,group", "line 2: label 'Under' is no class.*did you mean 'under'"),
        (["a.png,undr,r"], "path,label,group", "did you mean 'under'"),
        (["a.png,,r"], "path,label,group", "line 2: label is empty.*data.keep"),
        (["gone.png,under,r"], "path,label,group", "line 2: no file 'gone.png' below"),
        ([",under,r"], "path,label,group", "line 2: no file"),
        (["a.png,under,r", "./a.png,under,r"], "path,label,group", "a.png stands in line 2 too"),
        (["a.png,under"], "path,lable", "no column 'label', there are: path, lable; did you mean 'lable'"),
        (["a.png,under,r,9"], "path,label,group", "line 2: more cells than the header"),
        (
            ["a.png,under,r,train", "b.png,over,r,test"],
            "path,label,group,split",
            "line 3: group 'r' is in split 'test' and in split 'train'",
        ),
        ([], "path,label,group", "no rows left"),
    ],
)
def test_manifest_faults_name_the_line_and_the_remedy(
    tmp_path: Path, lines: list[str], header: str, message: str
) -> None:
    touch(tmp_path, "a.png", "b.png")
    with pytest.raises(InputError, match=message):
        read_samples(manifest(tmp_path, *lines, header=header), CLASSES)


def test_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(b"path,label,group\n\xff\xfe,under,r\n")
    with pytest.raises(InputError, match="is no UTF-8 CSV"):
        read_samples(DataConfig(root=str(tmp_path), manifest="manifest.csv"), CLASSES)


def test_missing_root_and_missing_manifest_are_source_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere is no folder"):
        read_samples(DataConfig(root=str(tmp_path / "nowhere")), CLASSES)
    with pytest.raises(SourceError, match=r"none.csv cannot be read"):
        read_samples(DataConfig(root=str(tmp_path), manifest="none.csv"), CLASSES)


def test_folder_faults(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no class folders, allowed: one each of under, normal, over"):
        read_samples(DataConfig(root=str(tmp_path)), CLASSES)
    touch(tmp_path, "under/a.png")
    with pytest.raises(InputError, match=r"all 1 samples are of class 'under'.*add samples of normal, over"):
        read_samples(DataConfig(root=str(tmp_path)), CLASSES)
    touch(tmp_path, "over/b.png")
    (tmp_path / "normal").mkdir()
    with pytest.raises(InputError, match="class 'normal' has no samples, needed: 1 or more"):
        read_samples(DataConfig(root=str(tmp_path)), CLASSES)
    (tmp_path / "NORMAL").mkdir()
    with pytest.raises(InputError, match=r"folder 'NORMAL' is no class.*did you mean 'normal'"):
        read_samples(DataConfig(root=str(tmp_path)), CLASSES)


def test_expect_per_class_counts(tmp_path: Path) -> None:
    samples = [Sample(tmp_path, str(n), label, "g") for n, label in enumerate(["a", "a", "b"])]
    expect_per_class(samples, ("a", "b"), 1, where="here")
    with pytest.raises(InputError, match="here: class 'b' has 1 sample, needed: 2 or more"):
        expect_per_class(samples, ("a", "b"), 2, where="here")


def test_list_images_takes_every_file_and_sorts_by_posix_path(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a/z.png", "a.txt", "a-b/c", ".hidden", ".cache/x.png", "Thumbs.db")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    names = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert names == sorted(["a-b/c", "a.txt", "a/z.png", "b.jpg", "dangling"])
    assert list_images(tmp_path / "b.jpg") == [tmp_path / "b.jpg"]


def test_list_images_of_nothing_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not there; give a folder"):
        list_images(tmp_path / "nowhere")


def test_list_images_never_skips_a_folder_silently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.png", "shut/b.png")
    scandir = os.scandir

    def refusing(folder: str) -> object:
        if str(folder).endswith("shut"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(SourceError, match=r"shut: cannot be listed \(Permission denied\)"):
        list_images(tmp_path)


def test_every_unknown_label_is_named_with_its_count(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}.png" for name in "abcdef"))
    lines = ("a.png,undre,r", "b.png,undre,r", "c.png,raw,s", "d.png,over,s", "e.png,burnt,t")
    message = r"label 'undre' is no class \(2 times\), .*did you mean 'under'\?; nor are 'raw' \(1\), 'burnt'"
    with pytest.raises(InputError, match=message):
        read_samples(manifest(tmp_path, *lines), CLASSES)


def test_several_columns_make_a_group_and_none_makes_every_frame_its_own(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c.png")
    lines = ("a.png,under,k1,mon,7", "b.png,over,k1,,8", "c.png,over,k2,mon,9.5")
    config = manifest(tmp_path, *lines, header="path,label,kiln,day,when")
    given = {"group_column": "kiln, day", "time_column": "when"}
    samples = read_samples(config.model_copy(update=given), ("under", "over"))
    assert [sample.group for sample in samples] == ["k1/mon", "b.png", "k2/mon"]
    assert [sample.time for sample in samples] == ["7", "8", "9.5"]
    alone = read_samples(config.model_copy(update={"group_column": ""}), ("under", "over"))
    assert [sample.group for sample in alone] == ["a.png", "b.png", "c.png"]
    assert [sample.time for sample in alone] == ["", "", ""]
    with pytest.raises(InputError, match=r"no column 'dya', there are: .*did you mean 'day'"):
        read_samples(config.model_copy(update={"group_column": "kiln,dya"}), ("under", "over"))


def test_rows_without_a_label_may_be_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c.png")
    config = manifest(tmp_path, "a.png,under,r", "b.png,,r", "c.png,over,s")
    samples = read_samples(config, ("under", "over"), skip_unlabelled=True)
    assert [sample.source for sample in samples] == ["a.png", "c.png"]
