"""The page of a review: the pictures of a queue one by one, and what people say of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kilnsense.errors import ImageError, StorageError
from kilnsense.record.review_log import Line, ReviewLog, plain
from kilnsense.record.review_queue import Place, flags, probabilities, rows_of
from kilnsense.record.store import Row, open_store
from kilnsense.web.fixed import fixed_routes
from kilnsense.web.guard import Pass, guarded
from kilnsense.web.viewer import Viewer

STATIC = {
    "/": "review.html",
    "/review.js": "review.js",
    "/review.css": "review.css",
    "/icon.svg": "icon.svg",
}
"""The fixed files of the page, by address."""

REASONS = {
    "accepted": "named with enough certainty",
    "low_confidence": "not sure enough to name a state",
    "unfamiliar": "unlike the frames that the model was trained on",
    "bad_image": "The picture is not fit to be judged",
}
FLAGS = {
    "dark": "too dark",
    "saturated": "overexposed",
    "blurred": "blurred",
    "hazy": "veiled by dust",
    "frozen": "picture stands still",
}


@dataclass(frozen=True, eq=False)
class Review:
    """What the page works on.

    Attributes:
        title: name of the run.
        store: file of the run's store.
        classes: in order; the keys 1, 2, ... stand for them.
        places: the queue.
        log: where labels go.
        viewer: shows the pictures.
    """

    title: str
    store: Path
    classes: tuple[str, ...]
    places: Sequence[Place]
    log: ReviewLog
    viewer: Viewer


def review_app(review: Review, known: Pass, hosts: Sequence[str]) -> Starlette:
    """The page as an application.

    Args:
        review: what it works on.
        known: who is let in.
        hosts: names under which the page may be asked for.
    """
    page = _Page(review)
    routes = [
        *fixed_routes(STATIC),
        Route("/queue", page.queue),
        Route("/places/{place:int}", page.place),
        Route("/places/{place:int}/picture.jpg", page.picture),
        Route("/places/{place:int}/overlay.jpg", page.overlay),
        Route("/gallery/{number:int}.jpg", page.gallery),
        Route("/places/{place:int}/label", page.label, methods=["POST"]),
        Route("/undo", page.undo, methods=["POST"]),
    ]
    return guarded(routes, known, hosts)


class _Page:
    """The answers of one review. What writes runs in the server's own thread, one after the other."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self._place_of = {plain(place.path): number for number, place in enumerate(review.places)}

    async def queue(self, _: Request) -> Response:
        """How many there are and where to go on."""
        review = self._review
        facts = {"title": review.title, "classes": review.classes, "total": len(review.places)}
        return JSONResponse({**facts, **self._standing(-1)})

    async def place(self, request: Request) -> Response:
        """What is known of one picture."""
        number, place = self._asked(request)
        told = await run_in_threadpool(self._told, place)
        label = self._review.log.labels.get(plain(place.path), "")
        return JSONResponse({"place": number, "label": label, **told, **self._standing(number)})

    async def picture(self, request: Request) -> Response:
        """The picture itself."""
        _, place = self._asked(request)
        return await run_in_threadpool(self._shown, place, "picture")

    async def overlay(self, request: Request) -> Response:
        """The picture with its regions."""
        _, place = self._asked(request)
        return await run_in_threadpool(self._shown, place, "overlay")

    async def gallery(self, request: Request) -> Response:
        """A labelled frame of the bundle."""
        try:
            data = await run_in_threadpool(
                self._review.viewer.gallery_picture, int(request.path_params["number"])
            )
        except ImageError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
        return Response(data, media_type="image/jpeg")

    async def label(self, request: Request) -> Response:
        """Keeps what somebody says of a picture."""
        number, place = self._asked(request)
        label = (await request.body()).decode(errors="replace")
        if label not in self._review.classes:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"no class {label!r}")
        self._kept(lambda: self._review.log.say(place.path, label))
        return JSONResponse({"place": number, "label": label, **self._standing(number)})

    async def undo(self, _: Request) -> Response:
        """Takes back the last label, whichever it was."""
        line = self._kept(self._review.log.undo)
        if line is None:
            raise HTTPException(HTTPStatus.CONFLICT, "nothing to undo")
        number = self._place_of.get(line.path)
        told = {"place": number, "path": line.path, "label": line.label}
        return JSONResponse({**told, **self._standing(-1 if number is None else number)})

    def _kept(self, write: Callable[[], Line | None]) -> Line | None:
        try:
            return write()
        except StorageError as error:
            raise HTTPException(HTTPStatus.INSUFFICIENT_STORAGE, str(error)) from error

    def _asked(self, request: Request) -> tuple[int, Place]:
        number = int(request.path_params["place"])
        if number >= len(self._review.places):
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no place {number}")
        return number, self._review.places[number]

    def _standing(self, after: int) -> dict[str, int | None]:
        """How many are labelled, and the next one behind a place that is not, beginning anew at the end."""
        labels, places = self._review.log.labels, self._review.places
        order = chain(range(after + 1, len(places)), range(after + 1))
        free = next((number for number in order if plain(places[number].path) not in labels), None)
        return {"labelled": sum(path in self._place_of for path in labels), "next": free}

    def _told(self, place: Place) -> dict[str, Any]:
        row = self._row(place)
        told = _in_words(row, self._review.classes)
        try:
            seen = self._review.viewer.see(place.path, _sha256(row))
        except ImageError as error:
            return {**told, "nearest": [], "problem": str(error)}
        return {**told, "nearest": [asdict(one) for one in seen.nearest], "problem": ""}

    def _row(self, place: Place) -> Row:
        with open_store(self._review.store) as store:
            return next(rows_of(store, [place]))

    def _shown(self, place: Place, what: str) -> Response:
        try:
            seen = self._review.viewer.see(place.path, _sha256(self._row(place)))
        except ImageError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
        return Response(seen.overlay if what == "overlay" else seen.picture, media_type="image/jpeg")


def _sha256(row: Row) -> str:
    return str(row.cells[1] or "")


def _in_words(row: Row, classes: Sequence[str]) -> Mapping[str, Any]:
    shares = probabilities(row.cells)
    best = max(range(len(shares)), key=shares.__getitem__) if shares else None
    return {
        "path": plain(str(row.cells[0])),
        "said": row.label or "",
        "best": "" if best is None else classes[best],
        "reason": REASONS.get(row.reason, row.reason),
        "flags": [FLAGS.get(flag, flag) for flag in flags(row.cells)],
        "probabilities": list(shares),
        "unfamiliarity": row.unfamiliarity,
    }
