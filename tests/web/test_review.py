"""The page of a review as a plain HTTP client meets it: what it answers, and what it refuses."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kilnsense.recogniser import Recogniser
from kilnsense.record.review_log import read_reviewed
from tests.asking import Answer, ask_page
from tests.labelled_run import Served, make_run, mixed_root, served

TRAVERSALS = (
    "/../../etc/passwd",
    "/static/../review.html",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc%2fpasswd",
    "/places/../../../etc/passwd/picture.jpg",
    "/places/%2e%2e%2f%2e%2e/picture.jpg",
    "/places/..%5c..%5c/picture.jpg",
    "/gallery/..%2f..%2fbundle.json",
    "/gallery/%00.jpg",
    "/places/-1/picture.jpg",
    "/places/0x0/picture.jpg",
    "/places/99999999999999999999/picture.jpg",
    "//etc/passwd",
    "/results.sqlite",
    "/review/labels.csv",
)


@pytest.fixture(scope="module")
def run(
    tiny_root: Path, tiny_bundle: Path, tiny_recogniser: Recogniser, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("review")
    root = mixed_root(folder / "frames", tiny_root)
    make_run(folder / "run", root, tiny_bundle, tiny_recogniser)
    (root / "run000" / "00001.jpg").unlink()  # was there when the run was made
    return folder / "run"


@pytest.fixture(scope="module")
def page(run: Path) -> Iterator[Served]:
    with served(run, "--reviewer", "Ada") as started:
        yield started


def ask(page: Served, address: str, *, method: str = "GET", body: str = "", **headers: str | None) -> Answer:
    """As `ask_page`, of the review."""
    return ask_page("review", page.port, page.token, address, method=method, body=body, headers=headers)


def told(answer: Answer) -> dict[str, Any]:
    assert answer[0] == 200, answer
    return dict(json.loads(answer[2]))


def test_the_queue_has_every_picture_and_no_other_file(page: Served) -> None:
    queue = told(ask(page, "/queue"))
    assert queue["classes"] == ["under", "normal", "over"]
    assert (queue["total"], queue["labelled"], queue["next"]) == (8 + 8 + 2 + 1, 0, 0)
    paths = {told(ask(page, f"/places/{place}"))["path"] for place in range(queue["total"])}
    assert len(paths) == queue["total"]
    assert {"black.png", "clip.mp4#000000", "clip.mp4#000025", "run005/00000.jpg"} <= paths
    assert "notes.txt" not in paths


def place_of(page: Served, path: str) -> int:
    total = told(ask(page, "/queue"))["total"]
    return next(place for place in range(total) if told(ask(page, f"/places/{place}"))["path"] == path)


def test_a_place_tells_what_the_model_said(page: Served) -> None:
    one = told(ask(page, f"/places/{place_of(page, 'run005/00003.jpg')}"))
    assert sum(one["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert one["best"] == max(zip(one["probabilities"], ("under", "normal", "over"), strict=True))[1]
    assert one["unfamiliarity"] > 0
    assert one["flags"] == []
    assert len(one["nearest"]) == 6
    assert one["nearest"][0].keys() == {"number", "label", "group", "distance", "pictured"}
    assert one["problem"] == ""


def test_pictures_are_given_by_number(page: Served) -> None:
    place = place_of(page, "run005/00003.jpg")
    near = told(ask(page, f"/places/{place}"))["nearest"][0]
    pictures = set()
    for address in (
        f"/places/{place}/picture.jpg",
        f"/places/{place}/overlay.jpg",
        f"/gallery/{near['number']}.jpg",
    ):
        status, headers, data = ask(page, address)
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        assert data.startswith(b"\xff\xd8")
        pictures.add(data)
    assert len(pictures) == 3


def test_a_picture_that_is_gone_is_told_and_the_rest_goes_on(page: Served) -> None:
    place = place_of(page, "run000/00001.jpg")
    assert "no regular file" in told(ask(page, f"/places/{place}"))["problem"]
    assert ask(page, f"/places/{place}/picture.jpg")[0] == 404
    assert ask(page, f"/places/{place}/overlay.jpg")[0] == 404


def test_labels_are_kept_counted_and_taken_back(page: Served, run: Path) -> None:
    total = told(ask(page, "/queue"))["total"]
    path = told(ask(page, "/places/2"))["path"]
    first = told(ask(page, "/places/2/label", method="POST", body="over"))
    assert (first["label"], first["labelled"], first["next"]) == ("over", 1, 3)
    assert told(ask(page, f"/places/{total - 1}/label", method="POST", body="under"))["next"] == 0
    assert read_reviewed(run)[path] == "over"
    assert told(ask(page, "/places/2"))["label"] == "over"
    assert told(ask(page, "/undo", method="POST"))["place"] == total - 1
    assert told(ask(page, "/undo", method="POST"))["labelled"] == 0
    assert ask(page, "/undo", method="POST")[0] == 409
    assert read_reviewed(run) == {}


@pytest.mark.parametrize("label", ["", "Over", "over\n", "=1", "x" * 4000])
def test_what_is_no_class_is_refused(page: Served, label: str) -> None:
    assert ask(page, "/places/0/label", method="POST", body=label)[0] == 400


def test_every_answer_carries_the_policy(page: Served) -> None:
    for address in ("/", "/review.js", "/queue", "/places/0/picture.jpg", "/none"):
        headers = ask(page, address)[1]
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_the_key_in_the_address_becomes_a_cookie_that_scripts_cannot_read(page: Served) -> None:
    status, headers, data = ask(page, f"/?token={page.token}", cookie=None)
    assert status == 200
    assert b"<script" in data
    cookie = headers["set-cookie"]
    assert cookie == f"kilnsense_review_{page.port}={page.token}; HttpOnly; SameSite=Strict; Path=/"
    assert "set-cookie" not in ask(page, "/")[1]


@pytest.mark.parametrize(
    "address", ["/", "/queue", "/places/0", "/places/0/picture.jpg", "/review.js", "/none"]
)
@pytest.mark.parametrize("key", [None, "", "x", "é"])
def test_without_the_key_nothing_is_given(page: Served, address: str, key: str | None) -> None:
    cookie = None if key is None else f"kilnsense_review_{page.port}={key}"
    for asked in (address, f"{address}?token={page.token[:-1]}", f"{address}?token="):
        status, headers, data = ask(page, asked, cookie=cookie)
        assert status == 403
        assert "set-cookie" not in headers
        assert b"open the address" in data


def test_the_key_in_an_address_opens_the_page_alone(page: Served) -> None:
    assert ask(page, f"/queue?token={page.token}", cookie=None)[0] == 403
    assert ask(page, f"/undo?token={page.token}", method="POST", cookie=None)[0] == 403
    assert ask(page, f"/?token={page.token}", method="POST", cookie=None)[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1]", "192.168.1.5:8322"])
def test_a_foreign_host_is_refused(page: Served, host: str) -> None:
    assert ask(page, "/queue", host=host)[0] == 400
    assert ask(page, f"/?token={page.token}", host=host, cookie=None)[0] == 400
    assert ask(page, "/places/0/label", method="POST", body="over", host=host)[0] == 400


def test_both_names_of_this_machine_are_good(page: Served) -> None:
    assert ask(page, "/queue", host=f"localhost:{page.port}")[0] == 200


@pytest.mark.parametrize(
    "origin", [None, "", "null", "http://evil.example", "http://127.0.0.1", "https://127.0.0.1:{port}"]
)
def test_a_foreign_origin_changes_nothing(page: Served, run: Path, origin: str | None) -> None:
    before = (run / "review" / "labels.csv").read_bytes()
    given = origin if origin is None else origin.format(port=page.port)
    assert ask(page, "/places/0/label", method="POST", body="over", origin=given)[0] == 403
    assert ask(page, "/undo", method="POST", origin=given)[0] == 403
    assert (run / "review" / "labels.csv").read_bytes() == before


def test_without_the_header_of_the_page_nothing_changes(page: Served, run: Path) -> None:
    before = (run / "review" / "labels.csv").read_bytes()
    for mark in (None, "", "other"):
        assert ask(page, "/places/0/label", method="POST", body="over", x_kilnsense=mark)[0] == 403
    assert (run / "review" / "labels.csv").read_bytes() == before


def test_other_ways_to_ask_are_refused(page: Served) -> None:
    assert ask(page, "/undo")[0] == 405
    assert ask(page, "/places/0/label")[0] == 405
    assert ask(page, "/queue", method="POST")[0] == 405
    assert ask(page, "/queue", method="PUT", content_length="0")[0] == 405
    assert ask(page, "/queue", method="OPTIONS", content_length="0", origin="http://evil.example")[0] == 403
    assert ask(page, "/undo", method="POST", content_length=None, transfer_encoding="chunked")[0] == 411
    assert ask(page, "/places/0/label", method="POST", body="x" * 5000)[0] == 413


@pytest.mark.parametrize("address", TRAVERSALS)
def test_no_address_leads_to_a_file(page: Served, address: str) -> None:
    status, _, data = ask(page, address)
    assert status == 404
    assert b"root:" not in data
    assert len(data) < 200


def test_only_this_machine_can_reach_it(page: Served) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=5):
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", page.port), timeout=5)


def test_the_run_is_not_changed_but_for_the_folder_of_the_review(page: Served, run: Path) -> None:
    before = (run / "results.sqlite").read_bytes()
    ask(page, "/places/0/label", method="POST", body="over")
    ask(page, "/undo", method="POST")
    assert (run / "results.sqlite").read_bytes() == before
    assert {path.name for path in (run / "review").iterdir()} == {"labels.csv", "lock"}
