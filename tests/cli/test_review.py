import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from kilnsense.cli.main import run
from kilnsense.recogniser import Recogniser
from kilnsense.record.review_log import Signature, open_log
from kilnsense.record.store import FILE, create_store
from tests.labelled_run import make_run, served


@pytest.fixture(scope="module")
def labelled(
    tiny_root: Path, tiny_bundle: Path, tiny_recogniser: Recogniser, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("review_verb")
    shutil.copytree(tiny_root / "run005", folder / "frames" / "run005")
    return make_run(folder / "run", folder / "frames", tiny_bundle, tiny_recogniser)


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "others on the network could reach the page"),
        (["--host", "0.0.0.0", "--insecure-lan"], "allowed: one IPv4 address"),
        (["--top", "0"], "allowed: above 0% up to 100%"),
        (["--strategy", "margins"], "did you mean 'margin'"),
    ],
)
def test_a_wrong_option_is_told(
    labelled: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert run(["review", str(labelled), "--no-browser", *options]) == 2
    assert said in told(capsys)


def test_a_folder_without_a_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", str(tmp_path), "--no-browser"]) == 5
    assert "give the folder of a run of `kilnsense label`" in told(capsys)


def test_a_run_without_pictures_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create_store(tmp_path / FILE, {"classes": ["a", "b"]}).__exit__()
    assert run(["review", str(tmp_path), "--no-browser"]) == 2
    assert "holds no picture to look at" in told(capsys)


def test_another_model_in_the_place_of_the_bundle_is_told(
    labelled: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"classes": ["a", "b"], "root": str(labelled.parent / "frames"), "model_id": "other"}
    from kilnsense.record.store import open_store

    with (
        open_store(labelled / FILE) as old,
        create_store(tmp_path / FILE, {**facts, "bundle": str(tiny_bundle)}) as store,
    ):
        store.add_inputs(["a"])
        store.write(0, list(old.rows(where="input = 1")))
    assert run(["review", str(tmp_path), "--no-browser"]) == 5
    assert "the run was made by other; give that one with --bundle" in told(capsys)


def test_a_moved_archive_and_bundle_are_found_where_the_options_say(
    labelled: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder = shutil.copytree(labelled, tmp_path / "run")
    frames = shutil.copytree(labelled.parent / "frames", tmp_path / "old")
    with sqlite3.connect(run_folder / FILE) as connection:
        for name in ("root", "bundle"):
            connection.execute("UPDATE facts SET value = ? WHERE name = ?", (json.dumps("/gone"), name))
    connection.close()
    assert run(["review", str(run_folder), "--no-browser"]) == 5
    assert "pictures /gone: are not there any more; say with --root" in told(capsys)
    moved = frames.rename(tmp_path / "new")
    assert run(["review", str(run_folder), "--no-browser", "--root", str(moved)]) == 5
    assert "bundle /gone: is not there any more; say with --bundle" in told(capsys)
    with served(run_folder, "--root", str(moved), "--bundle", str(tiny_bundle)) as page:
        address = f"http://127.0.0.1:{page.port}/places/0/picture.jpg"
        cookie = f"kilnsense_review_{page.port}={page.token}"
        request = urllib.request.Request(address, headers={"Cookie": cookie})
        with urllib.request.urlopen(request) as answer:
            assert answer.read(2) == b"\xff\xd8"


def test_labels_of_label_studio_come_into_the_review(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder = shutil.copytree(labelled, tmp_path / "run")
    shutil.rmtree(run_folder / "review", ignore_errors=True)

    def export(*labels: tuple[str, str]) -> Path:
        chosen = [
            {
                "data": {"path": path},
                "annotations": [{"result": [{"from_name": "state", "value": {"choices": [label]}}]}],
            }
            for path, label in labels
        ]
        (tmp_path / "export.json").write_text(json.dumps(chosen), encoding="utf-8")
        return tmp_path / "export.json"

    given = (("run005/00003.jpg", "over"), ("run005/00004.jpg", "under"))
    words = ["review", str(run_folder), "--reviewer", "Ada", "--json", "--import"]
    for _ in range(2):  # the second time nothing is new
        assert run([*words, str(export(*given))]) == 0
        assert json.loads(capsys.readouterr().out)["labelled"] == 2
    lines = (run_folder / "review" / "labels.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("run005/00003.jpg,over,run005,")
    manifest = (run_folder / "review" / "manifest.csv").read_text(encoding="utf-8").splitlines()
    assert manifest[1:] == ["run005/00003.jpg,over,run005", "run005/00004.jpg,under,run005"]
    assert run([*words, str(export(*given, ("strange.jpg", "over")))]) == 2
    assert "1 pictures are not of this run, such as strange.jpg" in told(capsys)


def test_a_second_review_of_a_run_is_refused(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_log(labelled, Signature("Ada", "x")):
        assert run(["review", str(labelled), "--no-browser", "--port", "0"]) == 6
    assert "is open in another process; use its page, or end it first" in told(capsys)


def test_the_end_leaves_a_manifest_and_says_what_was_done(labelled: Path) -> None:
    with open_log(labelled, Signature("Ada", "x")) as log:
        log.say("run005/00003.jpg", "over")
        log.say("clip.mp4#000025", "under")
    with served(labelled, "--json") as page:
        page.process.send_signal(signal.SIGINT)
        out, err = page.process.communicate(timeout=30)
        assert page.process.returncode == 0, err
    assert json.loads(out) == {
        "schema": "kilnsense.review/1",
        "places": 8,
        "labelled": 1,
        "labels": str(labelled / "review" / "labels.csv"),
        "manifest": str(labelled / "review" / "manifest.csv"),
        "left_out": ["clip.mp4#000025"],
    }
    assert "1 of 8 labelled" in err
    assert "1 labels are of no file of their own" in err
    manifest = (labelled / "review" / "manifest.csv").read_text(encoding="utf-8")
    assert manifest == "path,label,group\nrun005/00003.jpg,over,run005\n"


def test_the_address_is_said_even_under_quiet(labelled: Path) -> None:
    with served(labelled) as page:
        assert page.address.startswith(f"http://127.0.0.1:{page.port}/?token=")
        assert "8 pictures to review" in page.said


def test_the_page_needs_no_torch() -> None:
    code = (
        "import sys, kilnsense.cli.review, kilnsense.web.review, kilnsense.web.serve, kilnsense.web.viewer, "
        "kilnsense.record.exports, kilnsense.record.review_log\n"
        "print({'torch', 'albumentations', 'matplotlib'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
