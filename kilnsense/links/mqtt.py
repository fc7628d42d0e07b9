"""Readings and alarms to an MQTT broker.

Topics, all QoS 1, below ``<prefix>/<site>``:

- ``<camera>/state``, retained: `kilnsense.links.payload.state_payload`, on every change and every `every_s`.
- ``<camera>/alarm/<id>``, retained: an alarm as it stands; ``alarm/<id>`` for one of the whole station.
- ``event``: every line of the alarm journal, in order, at least once.
- ``available``, retained: ``online``, ``stopped`` (on purpose) or ``offline`` (the broker's word for a
  monitor that it lost).

One thread talks to the broker, with a new client for every connection. The client's own queues are never
relied on: they would send old states late, and drop the newest events when they are full. A state is only
sent while there is a connection, the newest one; events wait in an `Outbox` until the broker has confirmed
them.
"""

import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kilnsense.config.monitor import MqttConfig
from kilnsense.errors import ConfigError, MissingExtraError, SourceError
from kilnsense.links.lasting import LastingThread
from kilnsense.links.link import Station
from kilnsense.links.login import Login
from kilnsense.links.newest import Heard, Newest
from kilnsense.links.outbox import Outbox
from kilnsense.links.payload import Json, alarm_payload, encoded, event_payload, state_payload
from kilnsense.links.secret import read_secret
from kilnsense.types import AlarmEvent, Reading

if TYPE_CHECKING:
    from kilnsense.links.mqtt_talk import Talk

END_SECONDS = 8.0
"""To take leave of the broker, or for an attempt to reach it to end."""

ONLINE, STOPPED, OFFLINE = "online", "stopped", "offline"


def open_mqtt(
    config: MqttConfig, station: Station, *, clock: Callable[[], float] = time.monotonic
) -> "MqttLink":
    """A link that connects in its own thread, for ever.

    Raises:
        MissingExtraError: paho-mqtt is not installed.
        ConfigError: a file that the settings name cannot be read.
        StorageError: the outbox cannot be made.
    """
    try:
        import paho.mqtt.client  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError("links.mqtt needs paho-mqtt; install kilnsense[plant]") from error
    password = read_secret(config.password_file, key="mqtt.password_file") if config.password_file else None
    return MqttLink(config, station, password=password, context=_tls(config), clock=clock)


def _tls(config: MqttConfig) -> ssl.SSLContext | None:
    if not config.tls:
        return None
    try:
        return ssl.create_default_context(cafile=config.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"mqtt.ca_file: {config.ca_file} is no readable PEM file ({error})") from error


class MqttLink:
    """See the module; made by `open_mqtt`.

    Args:
        config: of the broker.
        station: who speaks.
        password: of the user; None: the broker asks for none.
        context: of TLS; None: without.
        clock: seconds that never jump.
    """

    def __init__(
        self,
        config: MqttConfig,
        station: Station,
        *,
        password: str | None,
        context: ssl.SSLContext | None,
        clock: Callable[[], float],
    ) -> None:
        self._config, self._station, self._clock = config, station, clock
        self._root = f"{config.prefix}/{station.site}"
        self._login = Login(
            host=config.host,
            port=config.port,
            # The same for every connection: a broker that still believes in the last one ends it at once,
            # and its "offline" comes before our "online".
            name=f"kilnsense-{secrets.token_hex(6)}",
            user=config.user,
            password=password,
            context=context,
            will=(f"{self._root}/available", OFFLINE),
        )
        self._readings = Newest(station.stale_s, clock=clock)
        self._lock = threading.Lock()
        self._alarms: dict[str, str] = {}
        self._outbox = Outbox(station.folder / "outbox-mqtt.sqlite", most_rows=config.outbox_rows)
        self._recall()
        self._thread = LastingThread("mqtt", self._talk)
        self._thread.ail(f"{self._login.broker}: not reached yet")
        self._thread.start()

    def reading(self, reading: Reading) -> None:
        """As of `Link`."""
        self._readings.put(reading)

    def alarm(self, event: AlarmEvent) -> None:
        """As of `Link`."""
        self._stands(alarm_payload(event.status))
        self._outbox.put(encoded(event_payload(event, site=self._station.site)))

    def trouble(self) -> str:
        """As of `Link`."""
        wrong = self._thread.trouble
        if wrong and self._outbox.waiting():
            wrong += f"; {self._outbox.waiting()} events wait"
        if wrong and self._outbox.dropped:
            wrong += f", the {self._outbox.dropped} oldest were given up"
        return "; ".join(part for part in (wrong, self._outbox.trouble()) if part)

    def close(self) -> None:
        """As of `Link`; the last states are withdrawn."""
        self._thread.close(END_SECONDS)
        self._outbox.close()

    def _stands(self, alarm: Json) -> None:
        place = f"{alarm['camera']}/" if alarm["camera"] else ""
        with self._lock:
            self._alarms[f"{self._root}/{place}alarm/{alarm['id']}"] = encoded(alarm)

    def _recall(self) -> None:
        """What the events of an earlier run that were not sent say about the alarms."""
        number, letters = 0, self._outbox.after(0, 100)
        while letters:
            for letter in letters:
                number = letter.number
                self._stands(json.loads(letter.body)["alarm"])
            letters = self._outbox.after(number, 100)

    def _talk(self) -> None:
        """One connection, from its beginning to its end."""
        from kilnsense.links.mqtt_talk import Talk

        talk = Talk(self._login, landed=self._outbox.remove)
        try:
            talk.connect(lambda: self._thread.ending)
            self._thread.well()
            sent = _Sent()
            while not self._thread.ending:
                self._send(talk, sent)
                talk.listen()
            self._take_leave(talk)
        except (OSError, ValueError) as error:  # ValueError: a host name that no name can be
            raise SourceError(f"{self._login.broker}: cannot be reached ({error})") from error
        finally:
            talk.end()

    def _send(self, talk: "Talk", sent: "_Sent") -> None:
        now = self._clock()
        if now - sent.available >= self._config.every_s:  # again, in case an old connection's "offline" came
            sent.available = now
            talk.publish(f"{self._root}/available", ONLINE, retain=True)
        with self._lock:
            alarms = dict(self._alarms)
        for topic, body in alarms.items():
            if sent.alarms.get(topic) != body and talk.free(topic):
                sent.alarms[topic] = body
                talk.publish(topic, body, retain=True)
        for camera in self._station.cameras:
            self._send_state(talk, sent, camera, now)
        if sent.letter != self._outbox.newest and talk.room:
            for letter in self._outbox.after(sent.letter, talk.room):
                sent.letter = letter.number
                talk.publish(f"{self._root}/event", letter.body, letter=letter.number)

    def _send_state(self, talk: "Talk", sent: "_Sent", camera: str, now: float) -> None:
        heard, topic = self._readings.get(camera), f"{self._root}/{camera}/state"
        if heard is None or not talk.free(topic):
            return
        before = sent.states.get(camera)
        if before is None or before[0] != _gist(heard) or now - before[1] >= self._config.every_s:
            sent.states[camera] = (_gist(heard), now)
            talk.publish(topic, encoded(state_payload(heard, site=self._station.site)), retain=True)

    def _take_leave(self, talk: "Talk") -> None:
        """Nobody is to take the last states for those of now, whether he looks at `available` or not."""
        for camera in self._station.cameras:
            heard = self._readings.get(camera)
            if heard is not None:
                last = encoded(state_payload(heard.withdrawn(), site=self._station.site))
                talk.publish(f"{self._root}/{camera}/state", last, retain=True)
        talk.publish(f"{self._root}/available", STOPPED, retain=True)
        end = self._clock() + 2.0
        while talk.flying and self._clock() < end:
            talk.listen()


class _Sent:
    """What a connection has been given to send."""

    def __init__(self) -> None:
        self.available = float("-inf")
        self.states: dict[str, tuple[object, float]] = {}
        self.alarms: dict[str, str] = {}
        self.letter = 0


def _gist(heard: Heard) -> object:
    """A change of this is a change of the state."""
    reading = heard.reading
    health = (reading.health.state, reading.health.detail)
    return reading.word, reading.reason, reading.trend, health, reading.model_id
