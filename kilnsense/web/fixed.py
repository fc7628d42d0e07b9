"""The fixed files of a page: its text, style and script, read once."""

from collections.abc import Awaitable, Callable, Mapping
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


def fixed_routes(files: Mapping[str, str]) -> list[Route]:
    """One route per address; `files` says which file of the package's folder ``static`` it gives."""
    return [Route(address, _fixed(name)) for address, name in files.items()]


def _fixed(name: str) -> Callable[[Request], Awaitable[Response]]:
    data = resources.files("kilnsense.web").joinpath("static", name).read_bytes()
    kind = _TYPES[name.rpartition(".")[2]]

    async def answer(_: Request) -> Response:
        return Response(data, media_type=kind)

    return answer
