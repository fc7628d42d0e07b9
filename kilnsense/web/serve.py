"""A page on one address of this machine, until somebody ends it."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from kilnsense.config.monitor import WebConfig
from kilnsense.errors import ConfigError, SourceError
from kilnsense.web.guard import Keys, Pass, make_pass
from kilnsense.web.line import Line

LOCAL = ("127.0.0.1", "localhost")
"""Names by which only this machine is reached."""

MOST_CONNECTIONS = 128

SEND_BUFFER = 64 * 1024
"""Bytes that the system keeps of what was not taken yet: the less, the sooner it shows that nobody reads."""

Make = Callable[[Pass, tuple[str, ...]], Starlette]
"""Makes the application for a pass and the host names under which it answers."""


@dataclass(frozen=True)
class Site:
    """Where a page is served, and who gets in.

    Attributes:
        page: its name, such as ``review``.
        keys: to it.
        host: an address that `check_host` or `check_web` has let pass.
        port: 0 takes a free one.
        certificate, key: PEM files; the page is served over TLS where they are given.
        doors: addresses that are answered without a key.
    """

    page: str
    keys: Keys
    host: str
    port: int
    certificate: str = ""
    key: str = ""
    doors: tuple[str, ...] = ()


def check_host(host: str, *, lan: bool, way: str = "--insecure-lan") -> None:
    """Refuses an address that others reach, unless `lan` says that this is meant.

    Args:
        host: the address.
        lan: others may reach it.
        way: what would say so, for the message.

    Raises:
        ConfigError: it is one; or it stands for all addresses, whose names cannot be known; or is IPv6.
    """
    if host in LOCAL:
        return
    if not lan:
        raise ConfigError(
            f"--host {host}: others on the network could reach the page, and what they send is not "
            f"encrypted; leave it out, or add {way}"
        )
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return  # a name
    if address.version == 6 or address.is_unspecified:
        raise ConfigError(f"--host {host}: allowed: one IPv4 address or name of this machine")


def check_web(web: WebConfig) -> None:
    """Refuses settings under which others could listen, and certificates that cannot be used.

    Raises:
        ConfigError: with what is wrong.
    """
    if bool(web.certificate) != bool(web.key):
        raise ConfigError("web.certificate and web.key: got one of them, allowed: both or none")
    tls = bool(web.certificate)
    check_host(
        web.host, lan=web.insecure_lan or tls, way="web.certificate and web.key, or web.insecure_lan: true"
    )
    if tls:
        for path in (web.certificate, web.key):
            if not Path(path).is_file():
                raise ConfigError(f"web: {path}: is no file; give the certificate and its key as PEM files")
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                web.certificate, web.key, password=""
            )
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                f"web: {web.certificate} and {web.key}: are no certificate with its own key without a "
                f"password ({error})"
            ) from error


def serve(
    make: Make, site: Site, *, ready: Callable[[Pass], None], stop: threading.Event | None = None
) -> None:
    """Serves until the process is told to end, or another thread sets `stop`.

    Args:
        make: makes the application.
        site: where.
        ready: is told the pass, whose addresses can then be opened.
        stop: serving ends soon after it is set; it is also set when the process is told to end, so that
            what it stops stops before the connections are closed.

    Raises:
        SourceError: the address is not of this machine, or the port is taken.
    """
    with closing(_listen(site.host, site.port)) as listening:
        taken = int(listening.getsockname()[1])
        hosts = tuple(dict.fromkeys((site.host, *LOCAL)))
        tls = bool(site.certificate)
        known = make_pass(site.page, site.keys, hosts, taken, tls=tls, doors=site.doors)
        config = uvicorn.Config(
            make(known, hosts),
            http=Line,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=2,
            limit_concurrency=MOST_CONNECTIONS,
            ssl_certfile=site.certificate or None,
            ssl_keyfile=site.key or None,
        )
        ready(known)
        _Server(config, stop or threading.Event()).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Looks ten times a second whether it should end."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    async def on_tick(self, counter: int) -> bool:
        if await super().on_tick(counter):
            self._stop.set()
        return self._stop.is_set()


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that a browser that comes early waits instead of failing."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # its connections inherit it
        listening.bind((host, port))
        listening.listen(MOST_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise SourceError(
            f"--host {host} --port {port}: cannot be served ({error.strerror}); choose another port with "
            f"--port, or 0 for any"
        ) from error
    return listening
