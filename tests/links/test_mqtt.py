"""Against a real Mosquitto: what is retained, the last will, a broker that goes and comes, passwords."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from kilnsense.config.monitor import MqttConfig
from kilnsense.errors import ConfigError
from kilnsense.links.certificate import make_certificate
from kilnsense.links.link import Station
from kilnsense.links.mqtt import MqttLink, open_mqtt
from tests.broker import PASSWORD, USER, Broker, free_port, open_broker, until
from tests.links.made import CLASSES, event, health, reading

ROOT = "kilnsense/works"
STATE = f"{ROOT}/kiln1/state"


@contextmanager
def open_link(folder: Path, port: int, *, stale_s: float = 60.0, **settings: object) -> Iterator[MqttLink]:
    config = MqttConfig.model_validate({"host": "127.0.0.1", "port": port, **settings})
    station = Station("works", folder, {"kiln1": CLASSES}, stale_s)
    link = open_mqtt(config, station)
    try:
        yield link
    finally:
        link.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with open_broker(tmp_path / "broker") as broker:
        yield broker


def told(broker: Broker, topic: str) -> dict[str, object]:
    """What somebody who comes now is told at once."""
    first = broker.listen(topic)
    until(lambda: first.heard)  # it may have come earlier than what he is to be told
    second = broker.listen(topic)
    until(lambda: second.heard)
    _, text, kept = second.heard[0]
    assert kept
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_a_state_is_retained_and_says_everything(broker: Broker, tmp_path: Path) -> None:
    with open_link(tmp_path, broker.port) as link:
        link.reading(reading("over", seq=5))
        until(lambda: link.trouble() == "")
        state = told(broker, STATE)
        assert (state["schema"], state["site"], state["camera"]) == ("kilnsense.state/1", "works", "kiln1")
        assert (state["state"], state["reason"], state["confidence"]) == ("over", "", 0.9)
        assert (state["since"], state["seq"], state["model_id"]) == ("2025-06-15T15:06:10.250Z", 5, "model-7")
        assert state["probabilities"] == {"under": 0.02, "normal": 0.08, "over": 0.9}
        assert state["health"] == {
            "state": "LIVE",
            "detail": "",
            "message": "",
            "since": "2025-06-15T15:05:40.250Z",
        }
        age = state["age_s"]
        assert isinstance(age, float)
        assert 0.2 <= age < 5
        assert state["trend"] == "steady"


def test_a_state_is_sent_when_it_changes_and_again_after_a_while(broker: Broker, tmp_path: Path) -> None:
    listener = broker.listen(STATE)
    with open_link(tmp_path, broker.port, every_s=0.5) as link:
        link.reading(reading("normal", seq=1))
        until(lambda: len(listener.heard) == 1)
        for seq in range(2, 5):  # no change
            link.reading(reading("normal", seq=seq))
        link.reading(reading(None, reason="bad_picture", how=health("BAD_PICTURE", "frozen"), seq=5))
        until(lambda: len(listener.heard) == 2)
        until(lambda: len(listener.heard) == 4)
        said = [json.loads(text) for text in listener.of(STATE)]
    assert [one["state"] for one in said] == ["normal", "UNKNOWN", "UNKNOWN", "UNKNOWN"]
    assert [one["seq"] for one in said] == [1, 5, 5, 5]
    assert said[1]["age_s"] < said[2]["age_s"] < said[3]["age_s"]


def test_a_state_that_is_not_renewed_is_withdrawn(broker: Broker, tmp_path: Path) -> None:
    listener = broker.listen(STATE)
    with open_link(tmp_path, broker.port, stale_s=0.3) as link:
        link.reading(reading("normal"))
        until(lambda: len(listener.heard) == 2)
        first, second = (json.loads(text) for text in listener.of(STATE))
    assert (first["state"], second["state"], second["reason"]) == ("normal", "UNKNOWN", "stale")
    assert second["probabilities"] == {}


def test_whoever_closes_says_so_and_leaves_no_state_behind(broker: Broker, tmp_path: Path) -> None:
    listener = broker.listen(f"{ROOT}/#")
    with open_link(tmp_path, broker.port) as link:
        link.reading(reading("normal"))
        until(lambda: listener.of(STATE) and listener.of(f"{ROOT}/available") == ["online"])
    until(lambda: listener.of(f"{ROOT}/available") == ["online", "stopped"])
    assert told(broker, STATE)["reason"] == "stale"
    assert listener.of(f"{ROOT}/available") == ["online", "stopped"]  # no last will


def test_the_broker_tells_when_the_monitor_dies(broker: Broker, tmp_path: Path) -> None:
    script = (
        "import pathlib, time\nfrom kilnsense.config.monitor import MqttConfig\n"
        "from kilnsense.links.link import Station\nfrom kilnsense.links.mqtt import open_mqtt\n"
        f"config = MqttConfig(host='127.0.0.1', port={broker.port})\n"
        f"open_mqtt(config, Station('works', pathlib.Path({str(tmp_path)!r}), {{}}))\ntime.sleep(60)\n"
    )
    listener = broker.listen(f"{ROOT}/available")
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        until(lambda: [text for _, text, _ in listener.heard] == ["online"])
        process.kill()
    until(lambda: [text for _, text, _ in listener.heard] == ["online", "offline"])
    again = broker.listen(f"{ROOT}/available")
    until(lambda: again.heard == [(f"{ROOT}/available", "offline", True)])


def test_alarms_stand_retained_and_every_event_is_told(broker: Broker, tmp_path: Path) -> None:
    listener = broker.listen(f"{ROOT}/event")
    with open_link(tmp_path, broker.port) as link:
        link.alarm(event(0))
        link.alarm(event(1, "cleared", active=False))
        link.alarm(event(2, camera=""))
        until(lambda: len(listener.heard) == 3)
        first = json.loads(listener.heard[0][1])
        assert not listener.heard[0][2]
        assert (first["schema"], first["action"], first["user"]) == ("kilnsense.event/1", "raised", "eva")
        assert first["alarm"]["text"] == "Kiln over-burnt, event 0 “ä”"
        alarm = told(broker, f"{ROOT}/kiln1/alarm/kiln1.over")
        assert (alarm["active"], alarm["id"]) == (False, "kiln1.over")
        assert told(broker, f"{ROOT}/alarm/storage")["active"] is True
        until(lambda: link._outbox.waiting() == 0)


def test_nothing_is_lost_while_the_broker_is_away(broker: Broker, tmp_path: Path) -> None:
    """Not even over a restart of the monitor; the order stays, and no old state is sent late."""
    folder = tmp_path / "monitor"
    with open_link(folder, broker.port) as link:
        link.reading(reading("under", seq=1))
        link.alarm(event(0))
        until(lambda: link.trouble() == "" and link._outbox.waiting() == 0)
        broker.stop()
        until(lambda: "MQTT broker 127.0.0.1" in link.trouble())
        for number in range(1, 60):
            link.alarm(event(number))
            link.reading(reading("normal", seq=number))
        until(lambda: "59 events wait" in link.trouble())
    broker.start()
    listener = broker.listen(f"{ROOT}/#")
    with open_link(folder, broker.port) as link:
        for number in range(60, 100):
            link.alarm(event(number))
        link.reading(reading("over", seq=200))
        until(lambda: link._outbox.waiting() == 0 and link.trouble() == "")
        until(lambda: len(listener.of(f"{ROOT}/event")) >= 99)
        until(lambda: json.loads(listener.of(STATE)[-1])["seq"] == 200)
    said = [json.loads(text)["reason"] for text in listener.of(f"{ROOT}/event")]
    assert said == [f"reason {number}" for number in range(1, 100)]
    fresh = [json.loads(text)["seq"] for topic, text, kept in listener.heard if topic == STATE and not kept]
    assert set(fresh) == {200}


def test_a_broker_that_comes_back_is_found_by_a_running_link(broker: Broker, tmp_path: Path) -> None:
    with open_link(tmp_path / "monitor", broker.port) as link:
        until(lambda: link.trouble() == "")
        broker.stop()
        until(lambda: link.trouble() != "")
        link.alarm(event(7))
        link.reading(reading("over", seq=9))
        broker.start()
        listener = broker.listen(f"{ROOT}/#")
        until(lambda: link._outbox.waiting() == 0 and listener.of(STATE))
        assert json.loads(listener.of(STATE)[-1])["seq"] == 9
        assert link.trouble() == ""


def test_alarms_of_unsent_events_stand_again_after_a_restart(broker: Broker, tmp_path: Path) -> None:
    with open_link(tmp_path / "monitor", free_port()) as link:
        link.alarm(event(3))
    with open_link(tmp_path / "monitor", broker.port):
        assert told(broker, f"{ROOT}/kiln1/alarm/kiln1.over")["active"] is True


def test_a_wrong_password_is_a_trouble_that_does_not_tell_it(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(PASSWORD + "\n", encoding="utf-8")
    wrong.write_text("some other word\n", encoding="utf-8")
    with open_broker(tmp_path / "broker", password=True) as broker:
        with open_link(tmp_path / "a", broker.port, user=USER, password_file=str(wrong)) as link:
            until(lambda: "refuses kiln (Not authorized)" in link.trouble())
            assert "word" not in link.trouble()
            link.alarm(event(0))
        with open_link(tmp_path / "b", broker.port, user=USER, password_file=str(right)) as link:
            until(lambda: link.trouble() == "")


# paho forgets its socket when the broker's certificate is refused; it is closed when the error is dropped.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_over_tls_only_a_broker_with_the_right_certificate_is_spoken_to(tmp_path: Path) -> None:
    files = []
    for name in ("broker", "other"):
        made, key = make_certificate(tmp_path / name, site=name, host="127.0.0.1")
        pem = made.with_suffix(".pem")
        pem.write_bytes(load_der_x509_certificate(made.read_bytes()).public_bytes(Encoding.PEM))
        files.append((pem, key))
    (ours, key), (other, _) = files
    with open_broker(tmp_path / "run", certificate=(ours, key)) as broker:
        with open_link(tmp_path / "a", broker.port, tls=True, ca_file=str(ours)) as link:
            link.alarm(event(0))
            until(lambda: link.trouble() == "" and link._outbox.waiting() == 0)
        with open_link(tmp_path / "b", broker.port, tls=True, ca_file=str(other)) as link:
            until(lambda: "CERTIFICATE_VERIFY_FAILED" in link.trouble())


@pytest.mark.slow
def test_a_broker_that_hangs_is_noticed_and_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    with open_link(tmp_path / "monitor", broker.port) as link:
        listener = broker.listen(f"{ROOT}/event")
        until(lambda: link.trouble() == "")
        broker.hang(on=True)
        for number in range(50):
            link.alarm(event(number))
        until(lambda: link.trouble() != "", seconds=40)
        broker.hang(on=False)
        until(lambda: link.trouble() == "" and link._outbox.waiting() == 0, seconds=40)
        until(lambda: len(listener.heard) >= 50)
    said = [json.loads(text)["reason"] for text in listener.of(f"{ROOT}/event")]
    assert list(dict.fromkeys(said)) == [f"reason {number}" for number in range(50)]


def test_files_that_cannot_be_read_are_refused_at_once(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"mqtt\.password_file: .* cannot be read \(No such file"),
        open_link(tmp_path, 1883, password_file=str(tmp_path / "none")),
    ):
        pass
    (tmp_path / "ca.pem").write_text("nonsense", encoding="utf-8")
    with (
        pytest.raises(ConfigError, match=r"mqtt\.ca_file"),
        open_link(tmp_path, 1883, tls=True, ca_file=str(tmp_path / "ca.pem")),
    ):
        pass
