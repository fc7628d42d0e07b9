"""The settings of live monitoring: cameras, decisions over time, alarms, history, page and links."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from kilnsense.config.sections import Count, Positive, Section, Share

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"


class CameraConfig(Section):
    """One camera and the model that judges it."""

    name: str = Field("kiln1", pattern=NAME, description="in addresses, topics and files")
    source: Annotated[str, BeforeValidator(lambda got: str(got) if type(got) is int else got)] = Field(
        description="rtsp://host/path, /dev/video0, 0, clip.mp4, folder/ or sim:plant"
    )
    bundle: str = Field(description="folder of the trained model")
    rate: float = Field(2.0, gt=0, le=8, description="decisions a second")
    user: str = Field("", description="of the camera; never in the address")
    password_file: str = Field("", description="file that holds the camera's password and nothing else")
    clock: tuple[tuple[Share, Share], ...] = Field(
        (), description="polygon of a burnt-in clock, which ticks on in a frozen picture; shares"
    )
    bed: str = Field("material", description="region whose upper edge is reported as the bed's")

    @model_validator(mode="after")
    def _clock_is_polygon(self) -> "CameraConfig":
        if 0 < len(self.clock) < 3:
            raise ValueError(f"clock: got {len(self.clock)} corners, allowed: none, or three and more")
        return self


class CaptureConfig(Section):
    """When a camera counts as stalled or lost."""

    timeout_s: Positive = Field(3.0, description="to open a camera, and to wait for a frame")
    stalled_s: Positive = Field(2.0, description="without a new frame, or five usual gaps if longer")
    longest_wait_s: Positive = Field(30.0, description="between two attempts to reconnect")
    frozen_s: Positive = Field(10.0, description="that are looked at before a picture is frozen")


class DecisionConfig(Section):
    """From single frames to a published state."""

    dwell_s: Positive = Field(1800.0, description="mean time that a burning state lasts")
    memory_s: Positive = Field(60.0, description="frames closer together tell little more than one of them")
    enter: Share = Field(0.9, description="filtered probability from which on a state is published")
    leave: Share = Field(0.6, description="filtered probability below which it is withdrawn")
    settle_s: float = Field(10.0, ge=0, description="of good frames before a state is published again")
    bad_s: float = Field(3.0, ge=0, description="of unfamiliar or bad frames before UNKNOWN is published")
    stale_s: Positive = Field(5.0, description="without a judged frame before UNKNOWN is published")
    trend_s: Positive = Field(600.0, description="seconds over which a drift is judged")

    @model_validator(mode="after")
    def _leave_below(self) -> "DecisionConfig":
        if self.leave > self.enter:
            raise ValueError(f"leave: got {self.leave}, allowed: at most enter, {self.enter}")
        return self


class AlarmConfig(Section):
    """Delays and limits of alarms, in seconds; see ISA-18.2 and OPC UA part 9."""

    states: tuple[str, ...] | None = Field(
        None, description="burning states that raise an alarm; none: the first and the last of the classes"
    )
    on_delay_s: float = Field(60.0, ge=0)
    off_delay_s: float = Field(120.0, ge=0)
    high_after_s: Positive = Field(600.0, description="a burning alarm becomes one of high priority")
    camera_on_delay_s: float = Field(30.0, ge=0)
    camera_high_after_s: Positive = Field(900.0, description="a dead camera becomes one of high priority")
    realarm_s: Positive = Field(1800.0, description="an active, acknowledged alarm asks again")
    longest_shelf_s: Positive = Field(8 * 3600.0)
    chatter_count: Count = Field(3, description="activations within chatter_s that make one unstable alarm")
    chatter_s: Positive = 600.0


class HistoryConfig(Section):
    """What is kept, and for how long."""

    folder: str = "runs/monitor"
    days: Positive = Field(90.0, description="older rows and pictures are removed")
    gigabytes: Positive = Field(5.0, description="the oldest pictures, then rows, go beyond that")
    picture_every_s: Positive = Field(60.0, description="a picture is kept so often, and around every change")
    free_gigabytes: float = Field(2.0, ge=0, description="below that no more pictures are kept")


class WebConfig(Section):
    """Where the dashboard is served."""

    host: str = "127.0.0.1"
    port: int = Field(8321, ge=0, le=65535)
    token_file: str = Field("", description="file with the key of the page; empty: one is made and kept")
    certificate: str = Field("", description="PEM file; with key: the page is served over TLS")
    key: str = ""
    insecure_lan: bool = Field(False, description="another address than this machine's without TLS")


class MqttConfig(Section):
    """An MQTT broker that readings and alarms are published to."""

    host: str
    port: int = Field(1883, ge=1, le=65535)
    user: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = Field("", description="PEM file of the broker's authority; empty: the system's")
    prefix: str = Field("kilnsense", pattern=r"^[^#+\x00]+$")
    every_s: Positive = Field(10.0, description="a state is repeated so often, if nothing changes")
    outbox_rows: Count = Field(100_000, description="kept while the broker is away; then the oldest go")


class OpcUaConfig(Section):
    """An OPC UA server with read-only nodes."""

    host: str = "127.0.0.1"
    port: int = Field(4840, ge=1, le=65535)
    user: str = Field("kilnsense", min_length=1)
    password_file: str = Field(description="file that holds the password of the user")
    certificate: str = Field("", description="DER or PEM file; empty: one is made and kept")
    key: str = ""


class WebhookConfig(Section):
    """An address that alarm events are posted to as JSON."""

    url: str = Field(pattern=r"^https?://")
    secret_file: str = Field("", description="file with a secret that signs every request")
    timeout_s: Positive = 5.0
    outbox_rows: Count = Field(100_000, description="kept while nobody answers; then the oldest go")


class LinksConfig(Section):
    """Links to the plant; each is off unless it stands here."""

    mqtt: MqttConfig | None = None
    opcua: OpcUaConfig | None = None
    webhook: WebhookConfig | None = None
    metrics: bool = Field(True, description="/metrics for Prometheus on the dashboard's address")
    files: tuple[Literal["csv", "jsonl"], ...] = Field((), description="readings are appended to these")
    stale_s: Positive = Field(
        5.0, description="without a new reading a camera's state is withdrawn on every link"
    )


class MonitorConfig(Section):
    """Everything that `kilnsense monitor` does."""

    site: str = Field("site", pattern=NAME)
    cameras: tuple[CameraConfig, ...] = Field(min_length=1)
    capture: CaptureConfig = CaptureConfig()
    decision: DecisionConfig = DecisionConfig()
    alarms: AlarmConfig = AlarmConfig()
    history: HistoryConfig = HistoryConfig()
    web: WebConfig = WebConfig()
    links: LinksConfig = LinksConfig()
    golden_every_s: Positive = Field(600.0, description="between two self-tests of a model")

    @model_validator(mode="after")
    def _names_differ(self) -> "MonitorConfig":
        names = [camera.name for camera in self.cameras]
        if len(set(names)) < len(names):
            raise ValueError(f"cameras: got the names {', '.join(names)}, allowed: each name once")
        return self

    @model_validator(mode="after")
    def _decisions_in_time(self) -> "MonitorConfig":
        least = 2.0 / self.decision.stale_s
        for camera in self.cameras:
            if camera.rate < least:
                raise ValueError(
                    f"cameras: {camera.name} has rate {camera.rate:g}, allowed: {least:g} and up, two "
                    f"decisions within decision.stale_s ({self.decision.stale_s:g} s); raise one of them"
                )
        return self
