"""Roles and doors of the guard; the rest of it is tested through the pages that it keeps."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from kilnsense.errors import ConfigError
from kilnsense.web.guard import ROLE, Keys, Pass, guarded, make_pass, new_keys

KEYS = Keys("o" * 30, "v" * 30)


def page_of(keys: Keys = KEYS, *, tls: bool = False) -> tuple[Starlette, Pass]:
    async def role(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.scope[ROLE] or "nobody")

    routes = [Route("/", role, methods=["GET", "POST"]), Route("/healthz", role), Route("/healthz/x", role)]
    known = make_pass("monitor", keys, ("127.0.0.1", "localhost"), 8321, tls=tls, doors=("/healthz",))
    return guarded(routes, known, ("127.0.0.1", "localhost")), known


def client_of(app: Starlette, cookie: str = "") -> TestClient:
    client = TestClient(app, base_url="http://127.0.0.1:8321")
    if cookie:
        client.headers["cookie"] = f"kilnsense_monitor_8321={cookie}"
    return client


@pytest.mark.parametrize(
    ("address", "role"),
    [("/?token=" + "o" * 30, "operator"), ("/?kiosk=" + "v" * 30, "viewer")],
)
def test_each_key_opens_under_its_own_name_and_becomes_a_cookie(address: str, role: str) -> None:
    app, known = page_of()
    answer = client_of(app).get(address)
    assert (answer.status_code, answer.text) == (200, role)
    key = address.partition("=")[2]
    told = f"kilnsense_monitor_8321={key}; HttpOnly; SameSite=Strict; Path=/"
    assert answer.headers["set-cookie"] == told
    assert client_of(app, key).get("/").text == role
    assert address in (known.address.removeprefix(known.home), known.kiosk.removeprefix(known.home))


@pytest.mark.parametrize("address", ["/?token=" + "v" * 30, "/?kiosk=" + "o" * 30, "/?kiosk=", "/?kiosk=x"])
def test_a_key_under_another_name_opens_nothing(address: str) -> None:
    answer = client_of(page_of()[0]).get(address)
    assert answer.status_code == 403
    assert "`kilnsense monitor`" in answer.text
    assert "set-cookie" not in answer.headers


def test_who_may_only_look_changes_nothing() -> None:
    app, _ = page_of()
    own = {"origin": "http://127.0.0.1:8321", "x-kilnsense": "monitor"}
    refused = client_of(app, KEYS.view_token).post("/", headers=own)
    assert (refused.status_code, refused.text) == (403, "This key is for looking only.\n")
    assert client_of(app, KEYS.token).post("/", headers=own).status_code == 200
    other = client_of(app, KEYS.token).post("/", headers={**own, "x-kilnsense": "review"})
    assert other.status_code == 403


def test_where_there_is_no_key_to_look_an_empty_one_is_none() -> None:
    app, known = page_of(Keys("o" * 30))
    assert known.kiosk == ""
    assert client_of(app).get("/?kiosk=").status_code == 403
    assert client_of(app, "").get("/").status_code == 403


def test_a_door_is_open_to_get_alone_and_only_under_a_known_name() -> None:
    app, _ = page_of()
    answer = client_of(app).get("/healthz")
    assert (answer.status_code, answer.text) == (200, "nobody")
    assert "content-security-policy" in answer.headers
    assert client_of(app).head("/healthz").status_code == 403
    assert client_of(app).post("/healthz").status_code == 403
    assert client_of(app).get("/healthz/x").status_code == 403
    assert client_of(app).get("/healthz", headers={"host": "evil.example"}).status_code == 400


def test_over_tls_the_cookie_never_goes_the_open_way() -> None:
    app, known = page_of(tls=True)
    assert known.address == f"https://127.0.0.1:8321/?token={KEYS.token}"
    assert known.origins == {"https://127.0.0.1:8321", "https://localhost:8321"}
    assert client_of(app).get(f"/?token={KEYS.token}").headers["set-cookie"].endswith("; Secure")


def test_short_keys_are_refused() -> None:
    for token, view in (("", ""), ("x" * 19, ""), ("x" * 20, "y")):
        with pytest.raises(ConfigError, match="20 characters or more"):
            Keys(token, view)
    assert len(new_keys().token) > 40
