"""The nodes of the OPC UA server: what every camera and every alarm shows, and how far it can be trusted.

Node ids are ``ns=2;s=<camera>.<name>`` and ``ns=2;s=Alarms.<id>.<name>``; they never change. Names of a
camera: State (Int32: 0 = UNKNOWN, 1 = the coldest class, and so on, as the property EnumStrings says),
StateText, Confidence, one for each class (its probability), AgeSeconds, Heartbeat, ModelId, Reason, Health.
Of an alarm: Active, Acked, Shelved, Priority, Text.

The status of State, StateText, Confidence and the classes is Good while a state is published and the camera
is live, Uncertain where the model cannot tell, and Bad (without a value) where nothing is known: the camera
or the picture fails, the model is at fault, or no reading comes.
"""

from collections.abc import Mapping
from datetime import UTC

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.status_codes import StatusCodes

from kilnsense.links.link import Station
from kilnsense.links.newest import Heard
from kilnsense.types import UNKNOWN, AlarmEvent, AlarmStatus

NAMESPACE = "urn:kilnsense:nodes"

SOFT_REASONS = ("starting", "low_confidence", "unfamiliar")
"""Why there is no state although all parts work."""

BAD_CAMERA = {
    "CONNECTING": StatusCodes.BadWaitingForInitialData,
    "STALLED": StatusCodes.BadNoCommunication,
    "BAD_PICTURE": StatusCodes.BadSensorFailure,
    "OFFLINE": StatusCodes.BadNoCommunication,
}

Value = tuple[object, ua.VariantType]


def status_code(heard: Heard | None) -> int:
    """The OPC UA status code of a camera's state."""
    if heard is None:
        return int(StatusCodes.BadWaitingForInitialData)
    if heard.stale:
        return int(StatusCodes.BadNoCommunication)
    reading = heard.reading
    if reading.health.state != "LIVE":
        return int(BAD_CAMERA[reading.health.state])
    if reading.state is not None:
        return int(StatusCodes.Good)
    soft = reading.reason in SOFT_REASONS
    return int(StatusCodes.Uncertain if soft else StatusCodes.BadDeviceFailure)


def judged_values(heard: Heard | None, classes: tuple[str, ...]) -> dict[str, Value]:
    """Name -> value of the nodes whose status is `status_code`."""
    reading = None if heard is None else heard.reading
    state = None if reading is None else reading.state
    shares = dict.fromkeys(classes, 0.0)
    if reading is not None:
        shares |= dict(zip(reading.classes, reading.probabilities, strict=False))
    number = 0 if state is None else 1 + classes.index(state)
    return {
        "State": (number, ua.VariantType.Int32),
        "StateText": (state or UNKNOWN, ua.VariantType.String),
        "Confidence": (0.0 if reading is None else reading.confidence, ua.VariantType.Double),
        **{name: (shares[name], ua.VariantType.Double) for name in classes},
    }


def plain_values(heard: Heard | None, heartbeat: int) -> dict[str, Value]:
    """Name -> value of the nodes that are always good, because they tell why others are not."""
    reading = None if heard is None else heard.reading
    age = None if heard is None else heard.frame_age
    return {
        "AgeSeconds": (-1.0 if age is None else round(age, 1), ua.VariantType.Double),
        "Heartbeat": (heartbeat, ua.VariantType.UInt32),
        "ModelId": ("" if reading is None else reading.model_id, ua.VariantType.String),
        "Reason": ("starting" if reading is None else reading.reason, ua.VariantType.String),
        "Health": ("CONNECTING" if reading is None else reading.health.state, ua.VariantType.String),
    }


def alarm_values(alarm: AlarmStatus) -> dict[str, Value]:
    """Name -> value of an alarm's nodes."""
    return {
        "Active": (alarm.active, ua.VariantType.Boolean),
        "Acked": (alarm.acked, ua.VariantType.Boolean),
        "Shelved": (alarm.shelved_until is not None, ua.VariantType.Boolean),
        "Priority": (alarm.priority, ua.VariantType.String),
        "Text": (alarm.text, ua.VariantType.String),
    }


class Shown:
    """What a running server shows; of one event loop.

    Args:
        server: that listens.
        station: whose cameras it shows.
    """

    def __init__(self, server: Server, station: Station) -> None:
        self._server, self._station = server, station
        self._index = 0
        self._alarms: Node | None = None
        self._known: dict[str, tuple[object, int]] = {}

    async def make_nodes(self) -> None:
        """Adds the nodes of all cameras and the folder of the alarms."""
        self._index = await self._server.register_namespace(NAMESPACE)
        objects = self._server.nodes.objects
        self._alarms = await objects.add_folder(self._id("Alarms"), self._name("Alarms"))
        for camera, classes in self._station.cameras.items():
            parent = await objects.add_object(self._id(camera), self._name(camera))
            values = judged_values(None, classes) | plain_values(None, 0)
            await self._add(parent, camera, values)
            state = self._server.get_node(self._id(f"{camera}.State"))
            words = [ua.LocalizedText(word) for word in (UNKNOWN, *classes)]
            await state.add_property(self._id(f"{camera}.State.EnumStrings"), "0:EnumStrings", words)
            await self.show(camera, None, 0)

    async def show(self, camera: str, heard: Heard | None, heartbeat: int) -> None:
        """Writes what has changed of a camera."""
        code, good = status_code(heard), int(StatusCodes.Good)
        moment = _moment(heard)
        for name, value in judged_values(heard, self._station.cameras[camera]).items():
            await self._write(f"{camera}.{name}", value, code, moment)
        for name, value in plain_values(heard, heartbeat).items():
            # Age and heartbeat are of now, whenever the reading was made.
            told = None if name in ("AgeSeconds", "Heartbeat") else moment
            await self._write(f"{camera}.{name}", value, good, told)

    async def show_alarm(self, event: AlarmEvent) -> None:
        """Writes what an event has changed of an alarm; its nodes are added when it is heard of first."""
        alarm = event.status
        place = f"Alarms.{alarm.id}"
        values = alarm_values(alarm)
        if f"{place}.Active" not in self._known:
            assert self._alarms is not None  # made before anything is shown
            parent = await self._alarms.add_object(self._id(place), self._name(alarm.id))
            await self._add(parent, place, values)
        moment = ua.DateTime.fromtimestamp(event.at, UTC)
        for name, value in values.items():
            await self._write(f"{place}.{name}", value, int(StatusCodes.Good), moment)

    async def _add(self, parent: Node, place: str, values: Mapping[str, Value]) -> None:
        for name, (value, kind) in values.items():
            await parent.add_variable(self._id(f"{place}.{name}"), self._name(name), value, kind)

    async def _write(self, place: str, value: Value, code: int, moment: ua.DateTime | None) -> None:
        """A value is written when it, its status, or the moment that it is of changes."""
        if self._known.get(place) == (key := (*value, moment), code):
            return
        self._known[place] = (key, code)
        told = ua.DataValue(
            ua.Variant(*value),
            StatusCode=ua.StatusCode(ua.UInt32(code)),
            SourceTimestamp=moment or ua.DateTime.now(UTC),
            ServerTimestamp=ua.DateTime.now(UTC),
        )
        await self._server.write_attribute_value(self._id(place), told)

    def _id(self, place: str) -> ua.NodeId:
        return ua.NodeId(ua.String(place), ua.Int16(self._index))

    def _name(self, name: str) -> ua.QualifiedName:
        return ua.QualifiedName(name, self._index)


def _moment(heard: Heard | None) -> ua.DateTime | None:
    """What a camera's values are of."""
    if heard is None:
        return None
    reading = heard.reading
    return ua.DateTime.fromtimestamp(reading.since if heard.stale else reading.at, UTC)
