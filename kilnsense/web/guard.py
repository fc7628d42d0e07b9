"""Who may ask, and what every answer carries: keys, named origins, and a policy without exceptions.

A page can be reached by every program on this machine and, over names that point here, by every web page
that the person has open. So each request must carry a key, as a cookie that no other site can send, and
each request that changes something must come from the page itself and bear the key of an operator.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kilnsense.errors import ConfigError

MARK = "x-kilnsense"
"""A header of every request that changes something, with the page's name; no form of another site sets it."""

SHORTEST_KEY = 20
"""Characters."""

MOST_BYTES = 4096
"""Of the body of a request."""

HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""Of every answer."""

ROLE = "kilnsense.role"
"""Where the guard writes into the scope who asks: ``operator`` or ``viewer``; "" at an open door."""

Role = Literal["operator", "viewer", ""]


@dataclass(frozen=True)
class Pass:
    """Who is let in.

    Attributes:
        page: its name: ``review`` or ``monitor``, as the command that prints its address.
        home: address of the page without a key, such as ``http://127.0.0.1:8322``.
        token: the operator's key, as it stands in the address of the page.
        view_token: the key of those who may only look; "" where there are none.
        cookie: name of the cookie that keeps either key.
        origins: of the page; `home` and its other names.
        doors: addresses that are answered without a key, to GET alone.
    """

    page: str
    home: str
    token: str
    view_token: str
    cookie: str
    origins: frozenset[str]
    doors: frozenset[str] = frozenset()

    @property
    def address(self) -> str:
        """Of the page, with the operator's key."""
        return f"{self.home}/?token={self.token}"

    @property
    def kiosk(self) -> str:
        """The address for a screen that nobody answers from, with the key to look; "" where there is none."""
        return f"{self.home}/?kiosk={self.view_token}" if self.view_token else ""


@dataclass(frozen=True)
class Keys:
    """The keys of a page: the operator's, and the one of those who may only look ("": none)."""

    token: str
    view_token: str = ""

    def __post_init__(self) -> None:
        if len(self.token) < SHORTEST_KEY or 0 < len(self.view_token) < SHORTEST_KEY:
            raise ConfigError(f"key of a page: got a shorter one, allowed: {SHORTEST_KEY} characters or more")


def new_keys() -> Keys:
    """A random key for operators."""
    return Keys(secrets.token_urlsafe(32))


def make_pass(
    page: str,
    keys: Keys,
    hosts: Sequence[str],
    port: int,
    *,
    tls: bool = False,
    doors: Collection[str] = (),
) -> Pass:
    """The pass of a page on a port of these hosts; the first host is the one that its address names."""
    scheme = "https" if tls else "http"
    homes = [f"{scheme}://{host}:{port}" for host in hosts]
    # Cookies know no port: two pages on one machine need two names.
    cookie = f"kilnsense_{page}_{port}"
    return Pass(page, homes[0], keys.token, keys.view_token, cookie, frozenset(homes), frozenset(doors))


def guarded(routes: Sequence[Route], known: Pass, hosts: Sequence[str]) -> Starlette:
    """An application behind the guard.

    Args:
        routes: what it answers.
        known: who is let in.
        hosts: names under which it may be asked for.
    """
    named = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return Starlette(routes=routes, middleware=[named, Middleware(Guard, known)])


class Guard:
    """Lets through what bears a key of the pass, and puts `HEADERS` on every answer.

    Args:
        app: what is behind it.
        known: who is let in.
    """

    def __init__(self, app: ASGIApp, known: Pass) -> None:
        self._app, self._known = app, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] != "http":  # the start and the end of the server
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        key = self._shown_key(request)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if key:
                    secure = "; Secure" if self._known.home.startswith("https:") else ""
                    name = self._known.cookie
                    headers["set-cookie"] = f"{name}={key}; HttpOnly; SameSite=Strict; Path=/{secure}"
            await send(message)

        scope[ROLE] = self._role(key or request.cookies.get(self._known.cookie, ""))
        refusal = self._refusal(request, scope[ROLE])
        answer = self._app if refusal is None else refusal
        await answer(scope, receive, sealed)

    def _shown_key(self, request: Request) -> str:
        """The key in the address, where that is one that was printed; else ""."""
        if request.method == "GET" and request.url.path == "/":
            if self._role(shown := request.query_params.get("token", "")) == "operator":
                return shown
            if self._role(shown := request.query_params.get("kiosk", "")) == "viewer":
                return shown
        return ""

    def _role(self, shown: str) -> Role:
        """Whose key this is."""
        if _same(shown, self._known.token):
            return "operator"
        return "viewer" if self._known.view_token and _same(shown, self._known.view_token) else ""

    def _refusal(self, request: Request, role: Role) -> PlainTextResponse | None:
        page = self._known.page
        if not role:
            if request.method == "GET" and request.url.path in self._known.doors:
                return None
            text = f"No key: open the address that `kilnsense {page}` printed when it was started.\n"
            return PlainTextResponse(text, 403)
        if request.method in ("GET", "HEAD"):
            return None
        if role != "operator":
            return PlainTextResponse("This key is for looking only.\n", 403)
        if request.headers.get("origin") not in self._known.origins:
            return PlainTextResponse(f"Not from the page of the {page}.\n", 403)
        if request.headers.get(MARK) != page:
            return PlainTextResponse(f"The header {MARK} is missing.\n", 403)
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            return PlainTextResponse("The header content-length is missing.\n", 411)
        if int(length) > MOST_BYTES:
            return PlainTextResponse(f"Too long, allowed: {MOST_BYTES} bytes.\n", 413)
        return None


def _same(shown: str, key: str) -> bool:
    return secrets.compare_digest(shown.encode(), key.encode())
