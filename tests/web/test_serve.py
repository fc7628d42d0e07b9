import http.client
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from kilnsense.config.monitor import WebConfig
from kilnsense.errors import ConfigError, SourceError
from kilnsense.web.guard import Keys, Pass, guarded, make_pass, new_keys
from kilnsense.web.serve import Site, check_host, check_web, serve

KEYS = Keys("o" * 30, "v" * 30)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_let_pass(host: str) -> None:
    check_host(host, lan=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "127.0.0.2", "kiln-pc", "::1", ""])
def test_any_other_address_must_be_meant(host: str) -> None:
    with pytest.raises(ConfigError, match="others on the network could reach the page"):
        check_host(host, lan=False)


def test_with_the_flag_one_address_of_the_network_is_let_pass() -> None:
    check_host("192.168.1.5", lan=True)
    check_host("kiln-pc", lan=True)
    for host in ("0.0.0.0", "::", "::1"):
        with pytest.raises(ConfigError, match="allowed: one IPv4 address or name"):
            check_host(host, lan=True)


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        site = Site("review", new_keys(), "127.0.0.1", port)
        with pytest.raises(SourceError, match=f"--port {port}: cannot be served .*choose another port"):
            serve(lambda *_: Starlette(), site, ready=pytest.fail)


def test_a_pass_is_new_each_time_and_long() -> None:
    first, second = (make_pass("review", new_keys(), ("127.0.0.1",), 8322) for _ in range(2))
    assert first.token != second.token
    assert len(first.token) >= 40
    assert first.origins == {"http://127.0.0.1:8322"}
    assert first.cookie != make_pass("review", new_keys(), ("127.0.0.1",), 8323).cookie


def certificate(folder: Path, name: str = "tls") -> tuple[str, str]:
    """A new certificate for this machine, and its key: PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    made = folder / f"{name}.crt", folder / f"{name}.key"
    made[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(made[0]), str(made[1])


def test_another_address_wants_tls_or_a_word_that_it_is_meant(tmp_path: Path) -> None:
    check_web(WebConfig())
    with pytest.raises(ConfigError, match=r"web\.certificate and web\.key, or web\.insecure_lan: true"):
        check_web(WebConfig(host="192.168.1.5"))
    check_web(WebConfig(host="192.168.1.5", insecure_lan=True))
    crt, key = certificate(tmp_path)
    check_web(WebConfig(host="192.168.1.5", certificate=crt, key=key))
    with pytest.raises(ConfigError, match="one IPv4 address"):
        check_web(WebConfig(host="0.0.0.0", certificate=crt, key=key))


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    other = certificate(tmp_path, "other")[1]
    for given in ({"certificate": crt}, {"key": key}):
        with pytest.raises(ConfigError, match="both or none"):
            check_web(WebConfig(**given))
    with pytest.raises(ConfigError, match="is no file"):
        check_web(WebConfig(certificate=crt, key=str(tmp_path / "none")))
    for pair in ((crt, other), (key, crt)):
        with pytest.raises(ConfigError, match="are no certificate with its own key"):
            check_web(WebConfig(certificate=pair[0], key=pair[1]))


def test_over_tls_the_page_is_served_until_another_thread_ends_it(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    site = Site("monitor", KEYS, "127.0.0.1", 0, certificate=crt, key=key, doors=("/x",))
    ready, stop = threading.Event(), threading.Event()
    known: list[Pass] = []

    def tell(told: Pass) -> None:
        known.append(told)
        ready.set()

    def make(told: Pass, hosts: tuple[str, ...]) -> Starlette:
        return guarded([Route("/", lambda _: PlainTextResponse("in"))], told, hosts)

    thread = threading.Thread(target=serve, args=(make, site), kwargs={"ready": tell, "stop": stop})
    thread.start()
    assert ready.wait(10)
    port = int(known[0].home.rpartition(":")[2])
    assert known[0].address == f"https://127.0.0.1:{port}/?token={KEYS.token}"
    assert known[0].kiosk == f"https://127.0.0.1:{port}/?kiosk={KEYS.view_token}"
    trust = ssl.create_default_context(cafile=crt)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=10)
    connection.request("GET", known[0].kiosk.removeprefix(known[0].home))
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"in")
    assert answer.headers["set-cookie"].endswith("; Secure")
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    connection.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)
