"""One connection to an MQTT broker, by paho-mqtt: what is on its way, and what has been confirmed."""

import time
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from kilnsense.errors import SourceError
from kilnsense.links.login import Login

KEEPALIVE = 15
"""Seconds; a broker that hangs or a cut cable is noticed within twice this time."""
CONNECT_SECONDS = 5.0
"""To reach the broker, and for its answer."""
MOST_FLYING = 20
"""Events that may be on their way without being confirmed; paho's own limit of messages is as high."""
TICK = 0.1
"""Seconds at most until something new is sent."""


class Talk:
    """One connection; only its thread uses it, and paho starts no other.

    Args:
        login: where and as whom.
        landed: gets the number of every event that the broker has confirmed.
    """

    def __init__(self, login: Login, *, landed: Callable[[int], None]) -> None:
        self._login, self._landed = login, landed
        self._refusal: str | None = None  # "" once we are let in
        self._flying: dict[int, tuple[str, int]] = {}
        self._client = client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=login.name)
        client.connect_timeout = CONNECT_SECONDS
        client.will_set(*login.will, qos=1, retain=True)
        if login.user:
            client.username_pw_set(login.user, login.password)
        if login.context is not None:
            client.tls_set_context(login.context)
        client.on_connect = lambda _client, _data, _flags, code, _more: self._answered(
            str(code) if code.is_failure else ""
        )
        client.on_publish = lambda _client, _data, mid, _code, _more: self._confirmed(mid)

    def connect(self, given_up: Callable[[], bool]) -> None:
        """Waits until the broker lets us in.

        Raises:
            SourceError: it does not, or says nothing.
            OSError: it is not there.
        """
        self._client.connect(self._login.host, self._login.port, keepalive=KEEPALIVE)
        end = time.monotonic() + CONNECT_SECONDS
        while self._refusal is None and time.monotonic() < end and not given_up():
            self.listen()
        if self._refusal is None:
            raise SourceError(f"{self._login.broker}: does not answer")

    def listen(self) -> None:
        """Sends and receives for a tick. Raises SourceError: the connection is lost."""
        code = self._client.loop(TICK)
        if self._refusal:
            raise SourceError(f"{self._login.broker}: refuses {self._login.user or 'us'} ({self._refusal})")
        if code != mqtt.MQTT_ERR_SUCCESS:
            raise SourceError(f"{self._login.broker}: the connection was lost ({mqtt.error_string(code)})")

    def publish(self, topic: str, body: str, *, retain: bool = False, letter: int = 0) -> None:
        """Gives a message to the connection; `letter` is the number of an event."""
        told = self._client.publish(topic, body, qos=1, retain=retain)
        self._flying[told.mid] = (topic, letter)

    def free(self, topic: str) -> bool:
        """Whether no message of this topic is on its way."""
        return all(topic != other for other, _ in self._flying.values())

    @property
    def flying(self) -> int:
        """Messages that are not confirmed yet."""
        return len(self._flying)

    @property
    def room(self) -> int:
        """How many more events may be on their way."""
        return MOST_FLYING - sum(1 for _, letter in self._flying.values() if letter)

    def end(self) -> None:
        """Says goodbye, if that is still possible."""
        self._client.disconnect()

    def _answered(self, refusal: str) -> None:
        self._refusal = refusal

    def _confirmed(self, mid: int) -> None:
        _, letter = self._flying.pop(mid, ("", 0))
        if letter:
            self._landed(letter)
