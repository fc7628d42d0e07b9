"""A page on one address of this machine, until somebody ends it."""

import ipaddress
import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn
from starlette.applications import Starlette

from kilnsense.errors import ConfigError, SourceError
from kilnsense.web.guard import Pass, new_pass

LOCAL = ("127.0.0.1", "localhost")
"""Names by which only this machine is reached."""

MOST_CONNECTIONS = 64

Make = Callable[[Pass, tuple[str, ...]], Starlette]
"""Makes the application for a pass and the host names under which it answers."""


def check_host(host: str, *, lan: bool) -> None:
    """Refuses an address that others reach, unless `lan` says that this is meant.

    Raises:
        ConfigError: it is one; or it stands for all addresses, whose names cannot be known; or is IPv6.
    """
    if host in LOCAL:
        return
    if not lan:
        raise ConfigError(
            f"--host {host}: others on the network could reach the page, and what they send is not "
            f"encrypted; leave it out, or add --insecure-lan"
        )
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return  # a name
    if address.version == 6 or address.is_unspecified:
        raise ConfigError(f"--host {host}: allowed: one IPv4 address or name of this machine")


def serve(make: Make, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serves until the process is told to end.

    Args:
        make: makes the application.
        host: an address that `check_host` has let pass.
        port: 0 takes a free one.
        ready: is told the address of the page with its key, once it can be opened.

    Raises:
        SourceError: the address is not of this machine, or the port is taken.
    """
    with closing(_listen(host, port)) as listening:
        taken = int(listening.getsockname()[1])
        hosts = tuple(dict.fromkeys((host, *LOCAL)))
        known = new_pass(hosts, taken)
        config = uvicorn.Config(
            make(known, hosts),
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=2,
            limit_concurrency=MOST_CONNECTIONS,
        )
        ready(f"http://{host}:{taken}/?token={known.token}")
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that a browser that comes early waits instead of failing."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(MOST_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise SourceError(
            f"--host {host} --port {port}: cannot be served ({error.strerror}); choose another port with "
            f"--port, or 0 for any"
        ) from error
    return listening
