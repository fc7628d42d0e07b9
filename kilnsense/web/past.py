"""What the page asks of the history: states, trends and pictures of a window of time, and the journal.

Everything is asked by the name of a camera, by a moment or by the number of a picture; nothing by a path.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kilnsense.live.board import Past
from kilnsense.types import AlarmEvent, StoredPicture

WINDOW = 8 * 3600.0
"""Seconds that the page shows at once: a shift."""

AROUND = 600.0
"""Seconds before and after a moment whose pictures are shown."""

MOST_PICTURES = 240
"""Around a moment, those nearest to it."""

MOST_EVENTS = 24
"""Of the strip of event pictures, the newest."""

MOST_LINES = 200
"""Of the journal, the newest."""

LONGEST_NUMBER = 15
"""Digits of a picture's number."""


def past_routes(past: Past, cameras: Sequence[str]) -> list[Route]:
    """The addresses under which the history is told."""
    asked = _Asked(past, cameras)
    return [
        Route("/camera/{name}/past", asked.window),
        Route("/camera/{name}/around", asked.around),
        Route("/stored/{number}.jpg", asked.picture),
        Route("/journal", asked.journal),
    ]


class _Asked:
    """The answers. What reads the store runs in threads of its own."""

    def __init__(self, past: Past, cameras: Sequence[str]) -> None:
        self._past, self._cameras = past, frozenset(cameras)

    async def window(self, request: Request) -> Response:
        """States, trends and event pictures of a shift that ends at `until`, or now."""
        name, until = self._camera(request), _moment(request, "until")
        since = until - WINDOW

        def told() -> dict[str, object]:
            pictures = [one for one in self._past.pictures(name, since, until) if one.why != "regular"]
            return {
                "since": since,
                "until": until,
                "spans": [asdict(span) for span in self._past.spans(name, since, until)],
                "aggregates": [asdict(one) for one in self._past.aggregates(name, since, until)],
                "pictures": [_picture(one) for one in pictures[-MOST_EVENTS:]],
            }

        return JSONResponse(await run_in_threadpool(told))

    async def around(self, request: Request) -> Response:
        """The pictures stored around the moment `at`, in order."""
        name, at = self._camera(request), _moment(request, "at")

        def told() -> list[dict[str, object]]:
            found = self._past.pictures(name, at - AROUND, at + AROUND)
            nearest = sorted(found, key=lambda one: abs(one.at - at))[:MOST_PICTURES]
            return [_picture(one) for one in sorted(nearest, key=lambda one: (one.at, one.id))]

        return JSONResponse({"at": at, "pictures": await run_in_threadpool(told)})

    async def picture(self, request: Request) -> Response:
        """A stored picture by its number; with `overlay=1`, its regions drawn in."""
        number = request.path_params["number"]
        if not (number.isascii() and number.isdecimal() and len(number) <= LONGEST_NUMBER):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        overlay = request.query_params.get("overlay") == "1"
        data = await run_in_threadpool(lambda: self._past.picture(int(number), overlay=overlay))
        if data is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "this picture is not kept (any more)")
        return Response(data, media_type="image/jpeg")

    async def journal(self, request: Request) -> Response:
        """What happened to alarms in the shift that ends at `until`, or now; the newest first."""
        until = _moment(request, "until")
        lines = await run_in_threadpool(lambda: self._past.alarm_events(until - WINDOW, until))
        newest = lines[-MOST_LINES:]
        return JSONResponse({"left_out": len(lines) - len(newest), "lines": [_line(one) for one in newest]})

    def _camera(self, request: Request) -> str:
        name = str(request.path_params["name"])
        if name not in self._cameras:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such camera")
        return name


def _moment(request: Request, name: str) -> float:
    """A moment of the question, seconds since 1970; now where none is given."""
    now = time.time()
    text = request.query_params.get(name)
    if text is None:
        return now
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not 0 <= moment <= now + WINDOW:  # a clock of another computer may be ahead
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{name}: allowed: seconds since 1970, not in the future")
    return moment


def _picture(picture: StoredPicture) -> dict[str, object]:
    return {"id": picture.id, "at": picture.at, "why": picture.why, "word": picture.word}


def _line(event: AlarmEvent) -> dict[str, object]:
    return {
        "at": event.at,
        "action": event.action,
        "id": event.status.id,
        "camera": event.status.camera,
        "priority": event.status.priority,
        "user": event.user,
        "reason": event.reason,
        "text": event.status.text,
    }
