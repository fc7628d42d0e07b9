"""Every link that stands in the settings is opened, and no other."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kilnsense.config.monitor import LinksConfig
from kilnsense.errors import ConfigError, MissingExtraError
from kilnsense.links.open import LINKS, open_links
from tests.broker import free_port, until
from tests.links.made import CLASSES, event, reading


@pytest.fixture
def word(tmp_path: Path) -> str:
    file = tmp_path / "word"
    file.write_text("a secret word\n", encoding="utf-8")
    return str(file)


def everything(word: str) -> dict[str, object]:
    return {
        "mqtt": {"host": "127.0.0.1", "port": free_port()},
        "opcua": {"port": free_port(), "password_file": word},
        "webhook": {"url": f"http://127.0.0.1:{free_port()}/x", "timeout_s": 0.5},
        "files": ["csv"],
    }


def test_nothing_is_on_by_default(tmp_path: Path) -> None:
    assert open_links(LinksConfig(), site="works", folder=tmp_path, cameras={}) == {}
    assert list(tmp_path.iterdir()) == []


def test_every_link_lives_without_a_partner_and_holds_nobody_up(tmp_path: Path, word: str) -> None:
    config = LinksConfig.model_validate(everything(word))
    links = open_links(config, site="works", folder=tmp_path, cameras={"kiln1": CLASSES})
    assert list(links) == list(LINKS)
    for link in links.values():
        link.reading(reading())
        link.alarm(event())
    until(lambda: links["mqtt"].trouble() and links["webhook"].trouble())
    until(lambda: not links["opcua"].trouble() and not links["files"].trouble())
    assert not any("secret word" in link.trouble() for link in links.values())
    for link in links.values():
        link.close()
    for link in links.values():  # what comes too late does no harm
        link.reading(reading())
        link.alarm(event())


def test_none_stays_open_if_one_cannot_be(tmp_path: Path, word: str) -> None:
    before = set(threading.enumerate())
    settings = {"mqtt": everything(word)["mqtt"], "webhook": {"url": "http://a:b@c/"}}
    with pytest.raises(ConfigError, match=r"webhook\.url"):
        open_links(LinksConfig.model_validate(settings), site="works", folder=tmp_path, cameras={})
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize(("package", "link"), [("paho.mqtt.client", "mqtt"), ("asyncua", "opcua")])
def test_a_missing_package_is_named_with_what_to_install(
    tmp_path: Path, word: str, monkeypatch: pytest.MonkeyPatch, package: str, link: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "kilnsense.links.opcua_server", raising=False)
    monkeypatch.delitem(sys.modules, "kilnsense.links.certificate", raising=False)
    config = LinksConfig.model_validate({link: everything(word)[link]})
    with pytest.raises(MissingExtraError, match=r"install kilnsense\[plant\]"):
        open_links(config, site="works", folder=tmp_path, cameras={})


def test_the_plants_packages_are_loaded_only_when_they_are_used() -> None:
    heavy = "{'paho', 'asyncua', 'cryptography'}"
    code = f"import sys, kilnsense.links.open, kilnsense.links.metrics\nprint(*({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
