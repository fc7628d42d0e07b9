"""The page of the live monitor: what all cameras say now, their history, and where alarms are answered."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from kilnsense.live.board import AlarmDesk, Board, Past
from kilnsense.web.answers import answer_routes
from kilnsense.web.events import Watch
from kilnsense.web.fixed import fixed_routes
from kilnsense.web.guard import ROLE, Pass, guarded
from kilnsense.web.past import LONGEST_NUMBER, past_routes
from kilnsense.web.snapshot import Sights

SCRIPTS = ("dashboard", "stream", "screen", "alarms", "history", "replay", "words")

STATIC = {
    "/": "dashboard.html",
    "/dashboard.css": "dashboard.css",
    **{f"/{name}.js": f"{name}.js" for name in SCRIPTS},
    "/icon.svg": "icon.svg",
}
"""The fixed files of the page, by address."""

DOORS = ("/healthz", "/readyz", "/metrics")
"""For machines, without a key: whether it runs, whether it is fresh, and figures."""

FRESH = 10.0
"""Seconds within which a reading is a fresh one."""

SHELVES = (900.0, 3600.0, 4 * 3600.0, 8 * 3600.0)
"""Seconds for which an alarm can be shelved with two clicks."""

SHELVE_REASONS = ("known, being worked on", "camera or instrument fault", "maintenance", "start-up or stop")
"""That can be given with two clicks; others can be written."""


@dataclass(frozen=True)
class DashboardOptions:
    """What else the page knows.

    Attributes:
        metrics: gives the text of /metrics; None: there is none.
        longest_shelf_s: seconds for which an alarm can be shelved at most.
    """

    metrics: Callable[[], str] | None = None
    longest_shelf_s: float = SHELVES[-1]


def dashboard_app(
    board: Board,
    desk: AlarmDesk,
    past: Past,
    known: Pass,
    hosts: Sequence[str],
    *,
    stop: threading.Event,
    options: DashboardOptions = DashboardOptions(),
) -> Starlette:
    """The page as an application; it starts the one thread that waits for the board.

    Args:
        board: what all cameras say.
        desk: where alarms are answered.
        past: the history.
        known: who is let in; `DOORS` should be its doors.
        hosts: names under which the page may be asked for.
        stop: ends that thread and every open stream, once it is set; the same that `serve` gets.
        options: what else the page knows.
    """
    sights = Sights(board)
    page = _Page(board, sights, options)
    routes = [
        *fixed_routes(STATIC),
        *fixed_routes({f"/camera/{name}": STATIC["/"] for name in board.cameras}),
        Route("/facts", page.facts),
        Route("/events", Watch(board, sights, stop).events),
        Route("/camera/{name}/picture.jpg", page.picture),
        *past_routes(past, board.cameras),
        *answer_routes(desk, options.longest_shelf_s),
        Route("/healthz", page.healthz),
        Route("/readyz", page.readyz),
        Route("/metrics", page.metrics),
    ]
    return guarded(routes, known, hosts)


class _Page:
    """The answers that come from the board itself."""

    def __init__(self, board: Board, sights: Sights, options: DashboardOptions) -> None:
        self._board, self._sights, self._options = board, sights, options

    async def facts(self, request: Request) -> Response:
        """What does not change while the monitor runs, and who asks."""
        told = {
            "site": self._board.site,
            "cameras": self._board.cameras,
            "role": request.scope[ROLE],
            "shelves": [seconds for seconds in SHELVES if seconds <= self._options.longest_shelf_s]
            or [self._options.longest_shelf_s],
            "reasons": SHELVE_REASONS,
        }
        return JSONResponse(told)

    async def picture(self, request: Request) -> Response:
        """The newest picture of a camera, which is number `seq` or a newer one; with `overlay=1` its regions.

        Headers say which one it is, when it was taken, and how old it is.
        """
        name, asked = request.path_params["name"], request.query_params.get("seq", "")
        picture = self._board.picture(name) if name in self._board.cameras else None
        if picture is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no picture")
        if not (asked.isascii() and asked.isdecimal() and len(asked) <= LONGEST_NUMBER):
            raise HTTPException(HTTPStatus.BAD_REQUEST, "seq: allowed: the number of a picture")
        if int(asked) > picture.seq:
            raise HTTPException(HTTPStatus.NOT_FOUND, "not yet")
        age = self._sights.ages()[name][1]
        headers = {"x-seq": str(picture.seq), "x-at": f"{picture.at:.3f}", "x-age": f"{age or 0.0:.3f}"}
        overlay = request.query_params.get("overlay") == "1"
        return Response(
            picture.overlay if overlay else picture.plain, media_type="image/jpeg", headers=headers
        )

    async def healthz(self, _: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _: Request) -> Response:
        """Whether every camera has a fresh reading; else 503 with those that have none."""
        late = [
            f"{name}: {'no reading yet' if age is None else f'the last reading is {age:.0f} s old'}"
            for name, (age, _) in self._sights.ages().items()
            if age is None or age >= FRESH
        ]
        if late:
            return PlainTextResponse("\n".join(late) + "\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok\n")

    async def metrics(self, _: Request) -> Response:
        """Figures for Prometheus."""
        if self._options.metrics is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        text = await run_in_threadpool(self._options.metrics)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")
