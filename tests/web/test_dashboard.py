"""The page of the monitor as a plain HTTP client meets it: what it answers, and what it refuses."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kilnsense.live.board import Board, LivePicture
from kilnsense.types import AlarmStatus
from kilnsense.web.dashboard import STATIC, DashboardOptions
from tests.demo_board import KEYS, OVER, Answer, Demo, ask, demo, pictures, reading, serving

TRAVERSALS = (
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/camera/../../etc/passwd/picture.jpg?seq=1",
    "/camera/..%2f..%2fetc%2fpasswd/picture.jpg?seq=1",
    "/camera/%2e%2e/picture.jpg?seq=1",
    "/camera/kiln1%00/picture.jpg?seq=1",
    "/camera/kiln9/picture.jpg?seq=1",
    "/camera/kiln9",
    "/camera/kiln9/past",
    "/camera/kiln9/around?at=1",
    "/stored/..%2f1.jpg",
    "/stored/-1.jpg",
    "/stored/1e3.jpg",
    "/stored/%D9%A1.jpg",
    "/stored/99999999999999999999.jpg",
    "/stored/481.jpg",
    "/dashboard.html",
    "/history.sqlite",
    "//etc/passwd",
)

KEYED = (
    "/",
    "/camera/kiln1",
    "/facts",
    "/events",
    "/journal",
    "/camera/kiln1/past",
    "/dashboard.js",
    "/none",
)


@pytest.fixture(scope="module")
def made() -> Iterator[Demo]:
    running = demo()
    for name in ("kiln1.over", "answered", "shelved", "back"):
        running.desk.post(replace(OVER, id=name, active=True, acked=False, since=time.time()))
    with serving(running, options=DashboardOptions(metrics=lambda: "kilnsense_up 1\n")) as served:
        yield served


def told(answer: Answer) -> Any:
    assert answer[0] == 200, answer
    return json.loads(answer[2])


def say(made: Demo, address: str, body: object, **headers: str | None) -> Answer:
    return ask(made, address, method="POST", body=json.dumps(body), **headers)


def alarm(made: Demo, name: str) -> AlarmStatus:
    return next(one for one in made.board.alarms() if one.id == name)


def test_the_facts_say_who_asks(made: Demo) -> None:
    facts = told(ask(made, "/facts"))
    assert (facts["site"], facts["cameras"], facts["role"]) == ("works", ["kiln1", "kiln2"], "operator")
    assert facts["shelves"] == [900, 3600, 14400, 28800]
    viewer = f"kilnsense_monitor_{made.port}={KEYS.view_token}"
    assert told(ask(made, "/facts", cookie=viewer))["role"] == "viewer"


def test_every_fixed_file_is_there_and_every_answer_carries_the_policy(made: Demo) -> None:
    for address in (
        *STATIC,
        "/camera/kiln2",
        "/facts",
        "/none",
        "/healthz",
        "/camera/kiln1/picture.jpg?seq=1",
    ):
        status, headers, data = ask(made, address)
        assert status == (404 if address == "/none" else 200)
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
        if address.endswith((".js", ".css")) or address == "/":
            assert b"http://" not in data.replace(b"http://www.w3.org/2000/svg", b"")
            assert b"https://" not in data
            assert b"innerHTML" not in data


def test_a_picture_is_given_by_camera_and_number_and_says_how_old_it_is(made: Demo) -> None:
    plain, overlay = pictures()[1]
    made.board.show("kiln2", LivePicture(41, time.time() - 1, plain, overlay))
    status, headers, data = ask(made, "/camera/kiln2/picture.jpg?seq=41")
    assert (status, headers["content-type"], data) == (200, "image/jpeg", plain)
    assert (headers["x-seq"], float(headers["x-age"])) == ("41", pytest.approx(1, abs=1.1))
    assert ask(made, "/camera/kiln2/picture.jpg?seq=40&overlay=1")[2] == overlay
    assert ask(made, "/camera/kiln2/picture.jpg?seq=42")[0] == 404
    for seq in ("", "-1", "x", "1.5", "9" * 30, "%D9%A1"):
        assert ask(made, f"/camera/kiln2/picture.jpg?seq={seq}")[0] == 400
    assert ask(made, "/camera/kiln2/picture.jpg")[0] == 400


def test_an_alarm_is_acknowledged_shelved_and_put_back_with_a_name(made: Demo) -> None:
    assert say(made, "/alarm/answered/acknowledge", {"user": " Ada L. "})[0] == 200
    assert alarm(made, "answered").acked
    assert (made.desk.journal[-1].action, made.desk.journal[-1].user) == ("acknowledged", "Ada L.")
    shelve = {"user": "Ada", "reason": "maintenance", "seconds": 900}
    assert say(made, "/alarm/shelved/shelve", shelve)[0] == 200
    until = alarm(made, "shelved").shelved_until
    assert until == pytest.approx(time.time() + 900, abs=5)
    assert alarm(made, "shelved").shelve_reason == "maintenance"
    assert say(made, "/alarm/shelved/unshelve", {"user": "Ada"})[0] == 200
    assert alarm(made, "shelved").shelved_until is None
    lines = told(ask(made, "/journal"))["lines"]
    assert [line["action"] for line in lines][-3:] == ["acknowledged", "shelved", "unshelved"]
    assert (lines[-2]["user"], lines[-2]["reason"]) == ("Ada", "maintenance")


GOOD = {"user": "Ada", "reason": "maintenance", "seconds": 900}


@pytest.mark.parametrize(
    "wrong",
    [
        *({"user": user} for user in ("", "  ", "x" * 41, "a\nb", "a\x1b[0m", 7, None, ["Ada"])),
        *({"reason": reason} for reason in ("", "x" * 201, "a\tb", None)),
        *({"seconds": seconds} for seconds in (0, -900, 59, 28801, 1e99, "900", None, True)),
    ],
)
def test_wrong_answers_change_nothing(made: Demo, wrong: dict[str, object]) -> None:
    before = made.board.alarms()
    status, _, text = say(made, "/alarm/back/shelve", {**GOOD, **wrong})
    assert (status, next(iter(wrong)) in text.decode()) == (400, True)
    assert made.board.alarms() == before


@pytest.mark.parametrize("body", ["", "[]", "7", "null", "{", '{"user": NaN}', "[" * 4000, "\x00"])
def test_what_is_no_object_is_refused(made: Demo, body: str) -> None:
    assert ask(made, "/alarm/back/acknowledge", method="POST", body=body)[0] == 400
    assert not alarm(made, "back").acked


@pytest.mark.parametrize(("name", "status"), [("none", 400), ("x" * 101, 404), ("..%2fx", 404), ("a b", 404)])
def test_unknown_alarms_are_refused(made: Demo, name: str, status: int) -> None:
    address = f"/alarm/{name.replace(' ', '%20')}/acknowledge"
    assert say(made, address, {"user": "Ada"})[0] == status


@pytest.mark.parametrize("action", ["acknowledge", "shelve", "unshelve"])
def test_only_the_page_of_an_operator_answers_alarms(made: Demo, action: str) -> None:
    before = made.board.alarms()
    address = f"/alarm/back/{action}"
    viewer = f"kilnsense_monitor_{made.port}={KEYS.view_token}"
    for wrong in (
        {"cookie": viewer},
        {"cookie": None},
        {"origin": None},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"x_kilnsense": None},
        {"x_kilnsense": "review"},
    ):
        assert say(made, address, GOOD, **wrong)[0] == 403
    assert say(made, address, GOOD, host="evil.example")[0] == 400
    assert say(made, address, {**GOOD, "more": "x" * 5000})[0] == 413
    assert ask(made, address, method="POST", content_length=None, transfer_encoding="chunked")[0] == 411
    assert ask(made, address)[0] == 405
    assert made.board.alarms() == before


@pytest.mark.parametrize("address", KEYED)
def test_without_a_key_nothing_is_given(made: Demo, address: str) -> None:
    for cookie in (None, f"kilnsense_monitor_{made.port}=x", f"kilnsense_review_{made.port}={KEYS.token}"):
        assert ask(made, address, cookie=cookie)[0] == 403
    assert ask(made, address, host="evil.example")[0] == 400


@pytest.mark.parametrize("address", TRAVERSALS)
def test_no_address_leads_to_a_file(made: Demo, address: str) -> None:
    status, _, data = ask(made, address)
    assert status == 404
    assert len(data) < 200


def test_the_past_of_a_shift_and_the_pictures_around_a_moment(made: Demo) -> None:
    past = told(ask(made, "/camera/kiln1/past"))
    assert past["until"] - past["since"] == 8 * 3600
    words = [span["word"] for span in past["spans"]]
    assert words == ["normal", "over", "normal", "under", "UNKNOWN", "normal", "over"]
    assert len(past["aggregates"]) in (95, 96)
    assert {one["why"] for one in past["pictures"]} == {"change"}
    at = past["since"] + 7200
    around = told(ask(made, f"/camera/kiln1/around?at={at}"))["pictures"]
    times = [one["at"] for one in around]
    assert times == sorted(times)
    assert min(times) >= at - 600
    assert max(times) <= at + 600
    assert len(times) == 20
    status, headers, plain = ask(made, f"/stored/{around[0]['id']}.jpg")
    assert (status, headers["content-type"], plain[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert ask(made, f"/stored/{around[0]['id']}.jpg?overlay=1")[2] != plain
    earlier = told(ask(made, f"/camera/kiln1/past?until={past['since'] - 60:.0f}"))
    assert earlier["spans"] == []


@pytest.mark.parametrize("moment", ["", "x", "nan", "inf", "-1", "1e12", "0x1"])
def test_odd_moments_are_refused(made: Demo, moment: str) -> None:
    for address in ("/camera/kiln1/past?until=", "/camera/kiln1/around?at=", "/journal?until="):
        status, _, text = ask(made, f"{address}{moment}")
        assert (status, b"seconds since 1970" in text) == (400, True)


def test_machines_are_told_without_a_key_whether_all_is_well(made: Demo) -> None:
    for camera in made.board.cameras:
        made.show(camera, 50)
    for address, text in (("/healthz", b"ok\n"), ("/readyz", b"ok\n"), ("/metrics", b"kilnsense_up 1\n")):
        assert ask(made, address, cookie=None)[::2] == (200, text)
        assert ask(made, address, cookie=None, host="evil.example")[0] == 400
        assert ask(made, address, cookie=None, method="POST")[0] == 403
    assert ask(made, "/metrics", cookie=None)[1]["content-type"].startswith("text/plain; version=0.0.4")


def test_not_ready_says_which_camera_is_late() -> None:
    running = demo()
    running.board = Board("works", ("kiln1", "kiln2", "kiln3"))
    running.board.publish(replace(reading("kiln1"), at=time.time() - 60))
    running.show("kiln2")
    with serving(running):
        status, _, text = ask(running, "/readyz", cookie=None)
        assert (status, text) == (
            503,
            b"kiln1: the last reading is 60 s old\nkiln3: no reading yet\n",
        )
        assert ask(running, "/healthz", cookie=None)[0] == 200
        assert ask(running, "/metrics", cookie=None)[0] == 404
