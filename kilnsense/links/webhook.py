"""Alarm events as JSON to one address, with a signature, until the receiver has said yes.

Each request is a POST of one event (`kilnsense.links.payload.event_payload`), in order, with the headers

- ``kilnsense-timestamp``: seconds since 1970 when it was sent;
- ``kilnsense-signature``: ``sha256=`` and the HMAC-SHA256 of timestamp, ``.`` and body in hex, by the secret.

Any answer 2xx is a yes. Everything else, redirects included, is tried again later, and the events behind it
wait. Nothing but the configured address is ever connected to: no redirects, no proxies of the environment.
"""

import hashlib
import hmac
import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from kilnsense.config.monitor import WebhookConfig
from kilnsense.errors import ConfigError, SourceError
from kilnsense.links.lasting import LastingThread
from kilnsense.links.link import Station
from kilnsense.links.outbox import Outbox
from kilnsense.links.payload import encoded, event_payload
from kilnsense.links.secret import read_secret
from kilnsense.types import AlarmEvent, Reading


def open_webhook(
    config: WebhookConfig, station: Station, *, clock: Callable[[], float] = time.time
) -> "WebhookLink":
    """A link that posts in its own thread.

    Args:
        config: address and secret.
        station: who speaks.
        clock: seconds since 1970, for the timestamp.

    Raises:
        ConfigError: the address holds a password or is none, or the secret's file cannot be read.
        StorageError: the outbox cannot be made.
    """
    address = _address(config.url)
    secret = read_secret(config.secret_file, key="webhook.secret_file") if config.secret_file else ""
    return WebhookLink(Receiver(address, secret, config.timeout_s), config, station, clock=clock)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the header ``kilnsense-signature`` holds."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


@dataclass(frozen=True)
class Receiver:
    """Who is posted to.

    Attributes:
        address: in its parts; its path may hold a key, so only `host` stands in messages.
        secret: signs; "" leaves the signature out.
        timeout_s: for each step of a request.
    """

    address: SplitResult = field(repr=False)
    secret: str = field(repr=False)
    timeout_s: float

    @property
    def host(self) -> str:
        """Name and port."""
        return self.address.netloc

    def post(self, body: bytes, *, at: float) -> None:
        """Sends one event.

        Raises:
            SourceError: it was not taken.
        """
        timestamp = str(int(at))
        headers = {"content-type": "application/json", "kilnsense-timestamp": timestamp}
        if self.secret:
            headers["kilnsense-signature"] = signature(self.secret, timestamp, body)
        path = self.address.path or "/"
        target = f"{path}?{self.address.query}" if self.address.query else path
        connection = self._connection()
        try:
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status  # what else it says is not of interest
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise SourceError(f"webhook {self.host}: cannot be reached ({why})") from error
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise SourceError(f"webhook {self.host}: answers {status}, needed: 2xx")

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self.address.hostname or "", self.address.port
        if self.address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self.timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=self.timeout_s, context=context)


class WebhookLink:
    """See the module; made by `open_webhook`.

    Args:
        receiver: who is posted to.
        config: how much may wait.
        station: who speaks.
        clock: seconds since 1970.
    """

    def __init__(
        self, receiver: Receiver, config: WebhookConfig, station: Station, *, clock: Callable[[], float]
    ) -> None:
        self._receiver, self._site, self._clock = receiver, station.site, clock
        self._patience = config.timeout_s + 1
        self._thread = LastingThread("webhook", self._post, longest_wait=60.0)
        path = station.folder / "outbox-webhook.sqlite"
        self._outbox = Outbox(path, most_rows=config.outbox_rows, arrived=self._thread.stir)
        self._thread.start()

    def reading(self, reading: Reading) -> None:
        """As of `Link`; readings are not posted."""

    def alarm(self, event: AlarmEvent) -> None:
        """As of `Link`."""
        self._outbox.put(encoded(event_payload(event, site=self._site)))

    def trouble(self) -> str:
        """As of `Link`."""
        wrong = self._thread.trouble
        if wrong:
            wrong += f"; {self._outbox.waiting()} events wait"
        if wrong and self._outbox.dropped:
            wrong += f", the {self._outbox.dropped} oldest were given up"
        return "; ".join(part for part in (wrong, self._outbox.trouble()) if part)

    def close(self) -> None:
        """As of `Link`."""
        self._thread.close(self._patience)
        self._outbox.close()

    def _post(self) -> None:
        sent = 0
        while not self._thread.ending:
            letters = self._outbox.after(sent, 1)
            if not letters:
                self._thread.rest(60.0)
                continue
            self._receiver.post(letters[0].body.encode(), at=self._clock())
            sent = letters[0].number
            self._outbox.remove(sent)
            self._thread.well()


def _address(url: str) -> SplitResult:
    try:
        address = urlsplit(url)
        known = bool(address.hostname) and (address.port is None or address.port > 0)
    except ValueError:  # a port that is no number
        known = False
    if not known:
        raise ConfigError("webhook.url: is no address; allowed: http(s)://host[:port]/path")
    if address.username is not None or address.password is not None:
        raise ConfigError(
            f"webhook.url: holds a user or password for {address.hostname}; leave them out and sign with "
            f"webhook.secret_file"
        )
    return address
