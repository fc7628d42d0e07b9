import socket

import pytest
from starlette.applications import Starlette

from kilnsense.errors import ConfigError, SourceError
from kilnsense.web.guard import make_pass, new_keys
from kilnsense.web.serve import Site, check_host, serve


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
