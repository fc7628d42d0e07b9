"""Against a real OPC UA client: values and their quality, and everything that is refused."""

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from kilnsense.config.monitor import OpcUaConfig
from kilnsense.errors import ConfigError
from kilnsense.links.certificate import check_certificate, make_certificate
from kilnsense.links.link import Station
from kilnsense.links.opcua import OpcUaLink, open_opcua
from tests.broker import free_port, until
from tests.links.made import AT, CLASSES, event, health, reading

SECRET = "a secret word"


class Clock:
    """Goes as it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Running:
    """A link, its clock, and a way to its server."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.port = folder, Clock(), free_port()
        word = folder / "word"
        word.write_text(SECRET + "\n", encoding="utf-8")
        config = OpcUaConfig(port=self.port, password_file=str(word))
        self.station = Station("works", folder, {"kiln1": CLASSES, "kiln2": CLASSES}, 5.0)
        self.link: OpcUaLink = open_opcua(config, self.station, clock=self.clock)
        until(lambda: self.link.trouble() == "")
        self.url = f"opc.tcp://127.0.0.1:{self.port}/kilnsense/"

    @asynccontextmanager
    async def client(self, *, user: str = "kilnsense", word: str = SECRET) -> AsyncIterator[Client]:
        certificate, key = make_certificate(self.folder / "client", site="client", host="127.0.0.1")
        client = Client(self.url, timeout=5)
        client.application_uri = check_certificate(certificate, key)
        if user:
            client.set_user(user)
            client.set_password(word)
        await client.set_security(SecurityPolicyBasic256Sha256, str(certificate), str(key))
        async with client:
            yield client

    def ask(self, wanted: Callable[[Client], Awaitable[object]]) -> object:
        async def go() -> object:
            async with self.client() as client:
                return await wanted(client)

        return asyncio.run(go())

    def see(self, *names: str) -> dict[str, ua.DataValue]:
        """What a client is told, after two ticks of the server."""

        async def look(client: Client) -> dict[str, ua.DataValue]:
            await asyncio.sleep(0.25)
            nodes = [node(client, name) for name in names]
            return {
                name: await one.read_data_value(raise_on_bad_status=False)
                for name, one in zip(names, nodes, strict=True)
            }

        found = self.ask(look)
        assert isinstance(found, dict)
        return found


def node(client: Client, name: str):  # type: ignore[no-untyped-def]
    return client.get_node(f"ns=2;s={name}")


def value(told: ua.DataValue) -> object:
    assert told.Value is not None
    return told.Value.Value


def quality(told: ua.DataValue) -> str:
    assert told.StatusCode is not None
    return str(told.StatusCode.name)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("opcua"))
    yield running
    running.link.close()


def test_a_published_state_is_good_and_of_its_moment(running: Running) -> None:
    running.link.reading(reading("over"))
    names = ("State", "StateText", "Confidence", "over", "under", "AgeSeconds", "ModelId", "Reason", "Health")
    seen = running.see(*(f"kiln1.{name}" for name in names))
    assert [value(one) for one in seen.values()] == [3, "over", 0.9, 0.9, 0.02, 0.2, "model-7", "", "LIVE"]
    assert {quality(one) for one in seen.values()} == {"Good"}
    assert seen["kiln1.State"].Value.VariantType is ua.VariantType.Int32
    assert seen["kiln1.State"].SourceTimestamp == datetime.fromtimestamp(AT, UTC)


def test_the_numbers_of_the_states_are_named(running: Running) -> None:
    async def look(client: Client) -> list[str]:
        words = await (await node(client, "kiln1.State").get_child("0:EnumStrings")).read_value()
        return [word.Text for word in words]

    assert running.ask(look) == ["UNKNOWN", "under", "normal", "over"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (reading(None, reason="low_confidence"), "Uncertain"),
        (reading(None, reason="unfamiliar"), "Uncertain"),
        (reading(None, reason="model_fault"), "BadDeviceFailure"),
        (reading(None, reason="bad_picture", how=health("BAD_PICTURE", "frozen")), "BadSensorFailure"),
        (reading(None, reason="camera_stalled", how=health("STALLED")), "BadNoCommunication"),
        (reading(None, reason="camera_offline", how=health("OFFLINE")), "BadNoCommunication"),
        (reading("normal", how=health("STALLED")), "BadNoCommunication"),
    ],
)
def test_what_is_not_known_is_not_good(running: Running, said, expected: str) -> None:  # type: ignore[no-untyped-def]
    running.link.reading(said)
    seen = running.see("kiln1.State", "kiln1.StateText", "kiln1.normal", "kiln1.Reason", "kiln1.Health")
    assert [quality(one) for one in seen.values()] == [expected] * 3 + ["Good"] * 2
    assert value(seen["kiln1.State"]) == (0 if expected == "Uncertain" else None)
    assert [value(seen["kiln1.Reason"]), value(seen["kiln1.Health"])] == [said.reason, said.health.state]


def test_a_camera_that_was_never_heard_of_is_bad(running: Running) -> None:
    seen = running.see("kiln2.State", "kiln2.Reason")
    assert quality(seen["kiln2.State"]) == "BadWaitingForInitialData"
    assert value(seen["kiln2.Reason"]) == "starting"


def test_a_state_that_is_not_renewed_turns_bad_while_the_heart_beats(running: Running) -> None:
    running.link.reading(reading("normal"))
    before = running.see("kiln1.State", "kiln1.Heartbeat")
    running.clock.now += 5.5
    after = running.see("kiln1.State", "kiln1.Heartbeat", "kiln1.Reason", "kiln1.AgeSeconds")
    assert (value(before["kiln1.State"]), value(after["kiln1.State"])) == (2, None)
    assert quality(after["kiln1.State"]) == "BadNoCommunication"
    assert value(after["kiln1.Heartbeat"]) - value(before["kiln1.Heartbeat"]) in (5, 6)  # type: ignore[operator]
    assert (value(after["kiln1.Reason"]), value(after["kiln1.AgeSeconds"])) == ("stale", 5.7)


def test_an_alarm_shows_how_it_stands(running: Running) -> None:
    names = [f"Alarms.kiln1.over.{name}" for name in ("Active", "Acked", "Shelved", "Priority")]
    running.link.alarm(event(0))
    assert [value(one) for one in running.see(*names).values()] == [True, False, False, "medium"]
    running.link.alarm(event(9, "cleared", active=False))
    seen = running.see(*names)
    assert [value(one) for one in seen.values()] == [False, True, False, "medium"]
    assert seen[names[0]].SourceTimestamp == datetime.fromtimestamp(AT + 9, UTC)


def test_a_subscriber_is_told_of_a_change(running: Running) -> None:
    running.link.reading(reading("normal"))

    class Handler:
        def __init__(self) -> None:
            self.heard: list[object] = []

        def datachange_notification(self, _node, value, _data) -> None:  # type: ignore[no-untyped-def]
            self.heard.append(value)

    async def watch(client: Client) -> list[object]:
        await asyncio.sleep(0.25)
        handler = Handler()
        subscription = await client.create_subscription(50, handler)
        await subscription.subscribe_data_change(node(client, "kiln1.StateText"))
        await asyncio.sleep(0.3)
        running.link.reading(reading("under", at=AT + 1))
        for _ in range(100):
            if len(handler.heard) > 1:
                break
            await asyncio.sleep(0.05)
        await subscription.delete()
        return handler.heard

    assert running.ask(watch) == ["normal", "under"]


def test_nothing_can_be_written_called_or_added(running: Running) -> None:
    async def try_all(client: Client) -> list[str]:
        state = node(client, "kiln1.Heartbeat")
        server = client.nodes.server
        attempts = (
            lambda: state.write_value(ua.Variant(7, ua.VariantType.UInt32)),
            lambda: state.write_attribute(
                ua.AttributeIds.AccessLevel, ua.DataValue(ua.Variant(3, ua.VariantType.Byte))
            ),
            lambda: server.call_method("0:GetMonitoredItems", ua.Variant(1, ua.VariantType.UInt32)),
            lambda: client.nodes.objects.add_variable(2, "new", 1),
            lambda: client.delete_nodes([state]),
            lambda: state.read_raw_history(),
        )
        found = []
        for attempt in attempts:
            with pytest.raises(ua.UaStatusCodeError) as refusal:
                await attempt()
            found.append(type(refusal.value).__name__)
        return found

    assert running.ask(try_all) == ["BadUserAccessDenied"] * 6


@pytest.mark.parametrize(
    ("user", "word", "error"),
    [
        ("kilnsense", "wrong", ua.uaerrors.BadUserAccessDenied),
        ("admin", SECRET, ua.uaerrors.BadUserAccessDenied),
        ("", "", ua.uaerrors.BadIdentityTokenRejected),
    ],
)
def test_strangers_are_refused(running: Running, user: str, word: str, error: type) -> None:  # type: ignore[type-arg]
    async def come() -> None:
        async with running.client(user=user, word=word):
            pass

    with pytest.raises((error, ua.UaError)) as refusal:
        asyncio.run(come())
    if user:
        assert isinstance(refusal.value, error)


def test_there_is_one_endpoint_and_it_is_encrypted(running: Running) -> None:
    async def look() -> list[tuple[str, ua.MessageSecurityMode]]:
        found = await Client(running.url).connect_and_get_server_endpoints()
        assert [token.TokenType for token in found[0].UserIdentityTokens] == [ua.UserTokenType.UserName]
        return [(one.SecurityPolicyUri, one.SecurityMode) for one in found]

    encrypted = ua.MessageSecurityMode.SignAndEncrypt
    assert asyncio.run(look()) == [(SecurityPolicyBasic256Sha256.URI, encrypted)]


@asynccontextmanager
async def bare_channel(running: Running) -> AsyncIterator[Client]:
    """A client with an unencrypted channel and a session that is not activated."""
    client = Client(running.url, timeout=5)
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        yield client
    finally:
        await client.close_secure_channel()
        client.disconnect_socket()


async def refused(attempt: Awaitable[object]) -> None:
    with pytest.raises((ua.UaError, ConnectionError, TimeoutError)):
        await attempt


def token(word: str = SECRET) -> ua.UserNameIdentityToken:
    return ua.UserNameIdentityToken(PolicyId="username", UserName="kilnsense", Password=word.encode())


def test_an_unencrypted_session_is_refused_even_with_the_password(running: Running) -> None:
    async def come() -> None:
        async with bare_channel(running) as client:
            parameters = ua.CreateSessionParameters()
            parameters.ClientNonce, parameters.RequestedSessionTimeout = b"n" * 32, 60000
            parameters.EndpointUrl = running.url
            await client.uaclient.create_session(parameters)
            await refused(node(client, "kiln1.State").read_value())
            activation = ua.ActivateSessionParameters()
            activation.UserIdentityToken = token()
            await refused(client.uaclient.activate_session(activation))
            await refused(node(client, "kiln1.State").read_value())

    asyncio.run(come())


def test_a_session_of_somebody_else_cannot_be_taken_over(running: Running) -> None:
    async def come(owner: Client) -> None:
        async with bare_channel(running) as thief:
            thief.uaclient.protocol.authentication_token = owner.uaclient.protocol.authentication_token
            activation = ua.ActivateSessionParameters()
            activation.UserIdentityToken = token("wrong")
            await refused(thief.uaclient.activate_session(activation))
            await refused(node(thief, "kiln1.Heartbeat").read_value())

    running.ask(come)


def test_no_server_can_be_registered(running: Running) -> None:
    async def come() -> None:
        async with bare_channel(running) as client:
            server = ua.RegisteredServer(ServerUri="urn:evil", ServerNames=[ua.LocalizedText("evil")])
            with pytest.raises(ua.uaerrors.BadServiceUnsupported):
                await client.uaclient.register_server(server)

    asyncio.run(come())


def test_the_made_certificate_is_kept_and_its_key_is_private(running: Running) -> None:
    folder = running.folder / "opcua"
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    before = (folder / "certificate.der").read_bytes()
    make_certificate(folder, site="works", host="127.0.0.1")
    assert (folder / "certificate.der").read_bytes() == before


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    one, _ = make_certificate(tmp_path / "one", site="a", host="127.0.0.1")
    _, other = make_certificate(tmp_path / "other", site="b", host="kiln.example")
    with pytest.raises(ConfigError, match=r"opcua\.key: .* is not the key of"):
        check_certificate(one, other)
    with pytest.raises(ConfigError, match=r"opcua\.certificate: .* is no readable DER or PEM file"):
        check_certificate(other.with_name("none"), other)


def test_a_taken_port_is_a_trouble_until_it_is_free(running: Running, tmp_path: Path) -> None:
    word = tmp_path / "word"
    word.write_text(SECRET, encoding="utf-8")
    config = OpcUaConfig(port=running.port, password_file=str(word))
    link = open_opcua(config, Station("works", tmp_path, {}))
    until(lambda: "cannot be served" in link.trouble())
    assert str(running.port) in link.trouble()
    assert SECRET not in link.trouble()
    link.close()
