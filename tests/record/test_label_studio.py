import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from kilnsense.errors import InputError, SourceError
from kilnsense.label.portion import row_of
from kilnsense.recogniser import Recogniser
from kilnsense.record.label_studio import environment, label_studio, read_label_studio
from kilnsense.record.review_queue import queue, rows_of
from kilnsense.record.store import FILE, Store, create_store, open_store
from kilnsense.types import Record, Verdict
from tests.labelled_run import make_run, mixed_root

CLASSES = ("under", "normal", "over")


@pytest.fixture(scope="module")
def store(
    tiny_root: Path, tiny_bundle: Path, tiny_recogniser: Recogniser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("label_studio")
    root = mixed_root(folder / "frames of a kiln", tiny_root)
    (root / "run000" / "00000.jpg").rename(root / "run000" / "50% + #1 ü.jpg")
    make_run(folder / "run", root, tiny_bundle, tiny_recogniser)
    with open_store(folder / "run" / FILE) as opened:
        yield opened


def tasks_of(file: Path) -> list[dict[str, Any]]:
    return list(json.loads(file.read_text(encoding="utf-8")))


def test_every_picture_is_a_task_with_the_opinion_of_the_model(store: Store, tmp_path: Path) -> None:
    done = label_studio(store, tmp_path)
    tasks = tasks_of(done.tasks)
    assert (len(tasks), done.count, done.left_out) == (17, 17, 2)  # 16 frames, a black picture; two of a clip
    rows = {str(row.cells[0]): row for row in store.rows(where="status != 'bad'")}
    for task in tasks:
        row = rows[task["data"]["path"]]
        (said,) = task["predictions"]
        (result,) = said["result"]
        assert said["score"] == row.confidence
        assert said["model_version"] == store.facts()["model_id"]
        (choice,) = result["value"]["choices"]
        shares = dict(zip(CLASSES, row.cells[8:11], strict=True))
        assert shares[choice] == max(shares.values())  # type: ignore[type-var]
        assert task["data"]["reason"] == row.reason


def test_addresses_lead_to_the_files_below_the_document_root(store: Store, tmp_path: Path) -> None:
    root = environment(store)["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"]
    assert environment(store)["LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED"] == "true"
    names = set()
    for task in tasks_of(label_studio(store, tmp_path).tasks):
        parts = urlsplit(task["data"]["image"])
        assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("", "", "/data/local-files/", "")
        (place,) = parse_qs(parts.query)["d"]  # decodes as the server does
        assert (Path(root) / place).is_file()
        names.add(Path(place).name)
    assert "50% + #1 ü.jpg" in names


def test_the_form_offers_the_classes_with_their_keys(tmp_path: Path) -> None:
    names = ["a", '<b> & "c"', *map(str, range(9))]
    with create_store(tmp_path / FILE, {"classes": names, "root": "/x", "model_id": "m"}) as empty:
        done = label_studio(empty, tmp_path)
    assert tasks_of(done.tasks) == []
    form = ElementTree.fromstring(done.form.read_text(encoding="utf-8"))
    choices = form.findall("Choices/Choice")
    assert [one.get("value") for one in choices] == names
    assert [one.get("hotkey") for one in choices] == [*map(str, range(1, 10)), None, None]
    (chosen,), (picture,) = form.findall("Choices"), form.findall("Image")
    assert (chosen.get("toName"), chosen.get("choice")) == (picture.get("name"), "single")
    assert picture.get("value") == "$image"


def test_names_of_form_and_tasks_agree(store: Store, tmp_path: Path) -> None:
    done = label_studio(store, tmp_path)
    form = ElementTree.fromstring(done.form.read_text(encoding="utf-8"))
    (result,) = tasks_of(done.tasks)[0]["predictions"][0]["result"]
    assert result["from_name"] == form.find("Choices").get("name")  # type: ignore[union-attr]
    assert result["to_name"] == form.find("Image").get("name")  # type: ignore[union-attr]
    assert result["type"] == "choices"


def test_a_queue_can_be_exported_alone_in_its_order(store: Store, tmp_path: Path) -> None:
    places = [place for place in queue(store.rows(), 0.4) if "#" not in place.path]
    done = label_studio(store, tmp_path, rows_of(store, places))
    assert [task["data"]["path"] for task in tasks_of(done.tasks)] == [place.path for place in places]
    assert 3 < len(places) < 17


def test_what_was_not_scored_has_no_opinion(tmp_path: Path) -> None:
    verdict = Verdict(None, 0.0, "bad_image", quality=("dark", "hazy"))
    record = Record("a\udcff.jpg", "ab" * 32, 8, 6, "review", "bad_image", verdict, "", "m")
    with create_store(tmp_path / FILE, {"classes": CLASSES, "root": "/x/y", "model_id": "m"}) as store:
        store.add_inputs(["a"])
        store.write(0, [row_of(record, CLASSES, number=1)])
        (task,) = tasks_of(label_studio(store, tmp_path).tasks)
    assert "predictions" not in task
    assert task["data"]["quality"] == "dark, hazy"
    assert task["data"]["image"] == "/data/local-files/?d=y/a%FF.jpg"


def answered(task: dict[str, Any], *labels: str | None, cancelled: bool = False) -> dict[str, Any]:
    """A task as it comes back, with an annotation for each label, the last one made last; None: no choice."""
    annotations = []
    for minute, label in enumerate(labels):
        result = [{"from_name": "why", "type": "textarea", "value": {"text": ["x"]}}]
        if label is not None:
            value = {"choices": [label]}
            result.append({"from_name": "state", "to_name": "image", "type": "choices", "value": value})
        time = f"2026-03-01T06:{minute:02d}:00.000000Z"
        annotations.append(
            {"id": 9 - minute, "was_cancelled": cancelled, "updated_at": time, "result": result}
        )
    return {
        "id": 7,
        "data": task["data"],
        "annotations": annotations[::-1],
        "predictions": task["predictions"],
    }


def test_what_people_chose_comes_back_by_path(store: Store, tmp_path: Path) -> None:
    tasks = tasks_of(label_studio(store, tmp_path).tasks)
    answers = [
        answered(tasks[0], "under"),
        answered(tasks[1], "over", "normal"),
        answered(tasks[2]),
        answered(tasks[3], "over", cancelled=True),
        answered(tasks[4], None),
        answered(tasks[5], "over"),
    ]
    (tmp_path / "export.json").write_text(json.dumps(answers), encoding="utf-8")
    paths = [task["data"]["path"] for task in tasks]
    labels = read_label_studio(tmp_path / "export.json", CLASSES)
    assert labels == {paths[0]: "under", paths[1]: "normal", paths[5]: "over"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("{}", "task 1: is not as `kilnsense` wrote it"),
        ('[{"image": "x", "state": "over"}]', "export as JSON, not as JSON-MIN"),
        ('[{"data": {}, "annotations": []}]', "task 1: is not as"),
        (
            json.dumps([answered({"data": {"path": "a"}, "predictions": []}, "hot")]),
            "got 'hot', allowed: under",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "export.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_label_studio(tmp_path / "export.json", CLASSES)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_label_studio(tmp_path / "none.json", CLASSES)
