"""How people answer alarms over the page: acknowledge, shelve, put back; each with a name."""

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kilnsense.errors import InputError, StorageError
from kilnsense.live.board import AlarmDesk

ALARM = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""What the id of an alarm looks like."""

LONGEST_USER = 40
LONGEST_REASON = 200
SHORTEST_SHELF = 60.0
"""Seconds."""


def answer_routes(desk: AlarmDesk, longest_shelf_s: float) -> list[Route]:
    """The addresses under which alarms are answered."""

    async def acknowledge(request: Request) -> Response:
        alarm, told = await _told(request)
        user = _text(told, "user", LONGEST_USER)
        return await _done(lambda: desk.acknowledge(alarm, user=user))

    async def shelve(request: Request) -> Response:
        alarm, told = await _told(request)
        user, reason = _text(told, "user", LONGEST_USER), _text(told, "reason", LONGEST_REASON)
        seconds = _seconds(told, longest_shelf_s)
        return await _done(lambda: desk.shelve(alarm, user=user, reason=reason, seconds=seconds))

    async def unshelve(request: Request) -> Response:
        alarm, told = await _told(request)
        user = _text(told, "user", LONGEST_USER)
        return await _done(lambda: desk.unshelve(alarm, user=user))

    doors = {"acknowledge": acknowledge, "shelve": shelve, "unshelve": unshelve}
    return [Route(f"/alarm/{{id}}/{name}", door, methods=["POST"]) for name, door in doors.items()]


async def _done(work: Callable[[], None]) -> Response:
    try:
        await run_in_threadpool(work)
    except InputError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from error
    except StorageError as error:
        raise HTTPException(HTTPStatus.INSUFFICIENT_STORAGE, str(error)) from error
    return JSONResponse({})


async def _told(request: Request) -> tuple[str, dict[str, Any]]:
    """The alarm that is meant, and what is said of it."""
    alarm = str(request.path_params["id"])
    if not ALARM.fullmatch(alarm):
        raise HTTPException(HTTPStatus.NOT_FOUND, "no such alarm")
    try:
        told = json.loads(await request.body())
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "allowed: one JSON object")
    return alarm, told


def _text(told: dict[str, Any], name: str, longest: int) -> str:
    value = told.get(name)
    text = value.strip() if isinstance(value, str) else ""
    if not (0 < len(text) <= longest and text.isprintable()):
        raise HTTPException(
            HTTPStatus.BAD_REQUEST, f"{name}: allowed: 1 to {longest} printable characters in one line"
        )
    return text


def _seconds(told: dict[str, Any], longest: float) -> float:
    value = told.get("seconds")
    if not isinstance(value, int | float) or not SHORTEST_SHELF <= value <= longest:
        raise HTTPException(
            HTTPStatus.BAD_REQUEST, f"seconds: allowed: {SHORTEST_SHELF:g} to {longest:g}, got {value!r:.40}"
        )
    return float(value)
