"""Who may ask, and what every answer carries: a key, named origins, and a policy without exceptions.

The page of a review can be reached by every program on this machine and, over names that point here, by
every web page that the person has open. So each request must carry the key, as a cookie that no other site
can send, and each request that changes something must come from the page itself.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARK = ("x-kilnsense", "review")
"""A header of every request that changes something; a form of another site cannot set it."""

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


@dataclass(frozen=True)
class Pass:
    """Who is let in.

    Attributes:
        token: the key, as it stands in the address of the page.
        cookie: name of the cookie that keeps it.
        origins: of the page, such as ``http://127.0.0.1:8322``.
    """

    token: str
    cookie: str
    origins: frozenset[str]


def new_pass(hosts: Collection[str], port: int) -> Pass:
    """A new random key for a page on a port of these hosts."""
    origins = frozenset(f"http://{host}:{port}" for host in hosts)
    # Cookies know no port: two reviews on one machine need two names.
    return Pass(secrets.token_urlsafe(32), f"kilnsense_review_{port}", origins)


class Guard:
    """Lets through what bears the pass, and puts `HEADERS` on every answer.

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
        came_with_key = self._shows_key(request)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if came_with_key:
                    known = self._known
                    headers["set-cookie"] = f"{known.cookie}={known.token}; HttpOnly; SameSite=Strict; Path=/"
            await send(message)

        refusal = None if came_with_key else self._refusal(request)
        answer = self._app if refusal is None else refusal
        await answer(scope, receive, sealed)

    def _shows_key(self, request: Request) -> bool:
        """Whether this is the address that was printed."""
        shown = request.query_params.get("token", "")
        return request.method == "GET" and request.url.path == "/" and self._fits(shown)

    def _fits(self, shown: str) -> bool:
        return secrets.compare_digest(shown.encode(), self._known.token.encode())

    def _refusal(self, request: Request) -> PlainTextResponse | None:
        if not self._fits(request.cookies.get(self._known.cookie, "")):
            text = "No key: open the address that `kilnsense review` printed when it was started.\n"
            return PlainTextResponse(text, 403)
        if request.method in ("GET", "HEAD"):
            return None
        if request.headers.get("origin") not in self._known.origins:
            return PlainTextResponse("Not from the page of the review.\n", 403)
        if request.headers.get(MARK[0]) != MARK[1]:
            return PlainTextResponse(f"The header {MARK[0]} is missing.\n", 403)
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            return PlainTextResponse("The header content-length is missing.\n", 411)
        if int(length) > MOST_BYTES:
            return PlainTextResponse(f"Too long, allowed: {MOST_BYTES} bytes.\n", 413)
        return None
