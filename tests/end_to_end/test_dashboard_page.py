"""The page of the monitor in a real browser: states, alarms, lost connections, replay; it asks no other."""

import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from kilnsense.live.board import Board
from kilnsense.types import AlarmStatus
from tests.browser import Page, open_browser
from tests.demo_board import KEYS, OVER, Demo, demo, going, reading, serving

LOST_SECONDS = 6.0
SLOW_PICTURES = """(() => {
  const real = window.fetch;
  let now = 0;
  window.asked = [];
  window.most = 0;
  window.fetch = async (address, options) => {
    if (!address.includes("picture.jpg")) return real(address, options);
    asked.push(address);
    most = Math.max(most, ++now);
    await new Promise(done => setTimeout(done, 400));
    return real(address, options).finally(() => now--);
  };
})()"""
"""Every picture takes 0.4 s longer; `most` tells how many were on their way at once."""
RAISED = replace(OVER, active=True, acked=False)


@pytest.fixture
def made() -> Iterator[Demo]:
    with serving(demo()) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def page(browser: Page) -> Page:
    browser.resize(1366, 768)
    browser.forget()
    return browser  # what is kept belongs to one port, and each test has its own


def opened(page: Page, made: Demo, camera: str = "kiln1") -> None:
    """Opens the page of a camera as somebody with the printed address does."""
    assert made.known is not None
    page.goto(made.known.address)
    page.wait_for("document.body.dataset.ready === '1'")
    page.goto(f"{made.known.home}/camera/{camera}")
    page.wait_for("document.body.dataset.ready === '1' && document.body.dataset.past")


def text(page: Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({selector!r}).innerText"))


def tone(page: Page) -> str:
    return str(page.evaluate("document.querySelector('.face').dataset.tone"))


def alarm(made: Demo) -> AlarmStatus:
    return made.board.alarms()[0]


def test_every_state_is_a_word_a_shape_and_a_reason(page: Page, made: Demo) -> None:
    opened(page, made)
    for seq, (state, shape) in enumerate({"under": "cold", "normal": "mid", "over": "hot"}.items(), start=2):
        made.show("kiln1", seq, state=state, trend=state)
        page.wait_for(f"document.querySelector('.word').innerText === '{state.upper()}'", 3)
        assert tone(page) == shape
        assert text(page, ".state dd") == "93 %"
        assert page.evaluate("document.querySelector('.mark .icon').children.length") == 1
    assert "▲ OVER kiln1" in page.evaluate("document.title")
    made.board.publish(reading("kiln1", 9, None))
    page.wait_for("document.querySelector('.word').innerText === 'UNKNOWN'", 3)
    assert (tone(page), text(page, ".why")) == ("unknown", "The camera sends no new picture.")
    assert "Camera stalled" in text(page, ".health")
    assert text(page, ".state dd") == "–"
    box = page.evaluate("document.querySelector('.word').getBoundingClientRect().toJSON()")
    assert box["height"] > 60
    assert box["right"] <= page.evaluate("document.querySelector('.state').getBoundingClientRect().right")
    assert page.errors == []


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1920, 1080)])
def test_the_first_screen_holds_what_matters(page: Page, made: Demo, width: int, height: int) -> None:
    for number in range(3):
        made.desk.post(replace(RAISED, id=f"a{number}"))
    page.resize(width, height)
    opened(page, made)
    page.wait_for("document.querySelector('canvas').width > 300")
    for selector in (".stage", ".state", ".health", "#active .acknowledge", "#ribbon", "#trends"):
        box = page.evaluate(f"document.querySelector('{selector}').getBoundingClientRect().toJSON()")
        assert box["height"] > 10
        assert box["bottom"] <= height
        assert box["right"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_an_alarm_is_raised_acknowledged_by_a_click_and_shelved_by_two(page: Page, made: Demo) -> None:
    opened(page, made)
    page.evaluate("localStorage.setItem('kilnsense.user', 'Ada')")
    assert text(page, "#quiet") == "No alarm."
    made.desk.post(replace(RAISED, since=time.time()))
    page.wait_for("document.querySelectorAll('#active li.unseen').length === 1", 3)
    assert "NOT acknowledged" in text(page, "#active li")
    assert OVER.text in text(page, "#active li")
    page.click("#active .acknowledge")
    page.wait_for("document.querySelectorAll('#active li:not(.unseen)').length === 1", 3)
    assert (alarm(made).acked, made.desk.journal[-1].user) == (True, "Ada")
    page.click("#active .shelve")
    page.click("#choices .choice:nth-child(3) button:nth-of-type(2)")
    page.wait_for("document.querySelectorAll('#active li').length === 0", 3)
    assert (alarm(made).shelve_reason, alarm(made).shelved_by) == ("maintenance", "Ada")
    assert alarm(made).shelved_until == pytest.approx(time.time() + 3600, abs=10)
    assert text(page, "#shelved summary") == "1 shelved"
    page.click("#shelved summary")
    page.click("#shelved .unshelve")
    page.wait_for("document.querySelectorAll('#active li').length === 1", 3)
    page.click("#active .shelve")
    page.click("#choices .choice:last-child button")  # no reason is written yet
    page.click("#choices input")
    page.type("burner is being changed")
    page.click("#choices .choice:last-child button")
    page.wait_for("document.querySelectorAll('#active li').length === 0", 3)
    assert alarm(made).shelve_reason == "burner is being changed"
    assert page.errors == []


def test_the_name_is_asked_once_and_kept(page: Page, made: Demo) -> None:
    for name in ("a", "b"):
        made.desk.post(replace(RAISED, id=name))
    opened(page, made)
    page.wait_for("document.querySelectorAll('#active li').length === 2")
    page.click("#active .acknowledge")
    page.wait_for("document.getElementById('who').open")
    assert not any(one.acked for one in made.board.alarms())
    page.type("Ada")
    page.press("Enter")
    page.wait_for("document.querySelectorAll('#active li.unseen').length === 1", 3)
    page.click("#active li.unseen .acknowledge")
    page.wait_for("document.querySelectorAll('#active li.unseen').length === 0", 3)
    assert text(page, "#user") == "Name: Ada"
    assert {line.user for line in made.desk.journal if line.action == "acknowledged"} == {"Ada"}


def test_a_screen_that_may_only_look_cannot_answer(page: Page, made: Demo) -> None:
    made.desk.post(RAISED)
    assert made.known is not None
    page.goto(f"{made.known.kiosk}&camera=kiln1")
    page.wait_for("document.querySelectorAll('#active li').length === 1")
    assert not page.evaluate("[...document.querySelectorAll('#alarms button')].some(one => one.offsetWidth)")
    assert text(page, "#only") == "view only"
    assert page.evaluate("document.getElementById('user').hidden")


def test_a_lost_connection_is_said_and_comes_back_by_itself(page: Page) -> None:
    running = demo()
    with serving(running):
        opened(page, running)
        assert text(page, ".word") == "NORMAL"
        port = running.port
    stopped = time.monotonic()
    page.wait_for("!document.getElementById('lost').hidden", LOST_SECONDS)
    assert time.monotonic() - stopped < LOST_SECONDS
    assert text(page, "#lost").startswith("NO CONNECTION – shown values are old since ")
    assert (text(page, ".word"), text(page, ".why")) == ("UNKNOWN", "No connection to the monitor.")
    assert page.evaluate("document.body.classList.contains('lost')")
    running.show("kiln1", 2, state="over")
    with serving(running, port=port):
        page.wait_for("document.querySelector('.word').innerText === 'OVER'", 8)
        assert page.evaluate("document.getElementById('lost').hidden")


@pytest.mark.slow
def test_a_server_that_stands_still_is_seen(page: Page, made: Demo) -> None:
    opened(page, made)
    with made.board._changed:  # whoever waits for the board waits for ever
        page.wait_for("!document.getElementById('lost').hidden", LOST_SECONDS + 1)
        assert text(page, ".word") == "UNKNOWN"
    made.show("kiln1", 2)
    page.wait_for("document.querySelector('.word').innerText === 'NORMAL'", 8)


def test_a_state_that_is_not_renewed_is_not_shown_for_long(page: Page) -> None:
    running = demo(("kiln1",))
    running.board = Board("works", ("kiln1",))
    running.board.publish(replace(reading("kiln1"), at=time.time() - 8))
    with serving(running):
        assert running.known is not None
        page.goto(running.known.address)
        page.wait_for("document.querySelector('.word').innerText === 'NORMAL'", 2)
        page.wait_for("document.querySelector('.word').innerText === 'UNKNOWN'", 5)
        assert text(page, ".why").startswith("The monitor has said nothing for 1")
        assert text(page, "#link") == "✓ connected"
        assert text(page, ".badge") == "no picture yet"


def test_a_page_that_stands_still_covers_itself(page: Page, made: Demo) -> None:
    opened(page, made)
    seen = "getComputedStyle(document.getElementById('frozen')).opacity"
    assert page.evaluate(seen) == "0"
    page.evaluate("document.getElementById('frozen').getAnimations()[0].currentTime = 7999")
    page.wait_for(f"{seen} === '0'", 2)  # the next look sets it back
    page.evaluate("Element.prototype.getAnimations = () => [{}]")  # from here on nobody does
    page.evaluate("document.getAnimations()[0].currentTime = 7900")
    page.wait_for(f"{seen} === '1'", 2)


def test_pictures_come_one_after_the_other_and_their_regions_are_a_wish(page: Page, made: Demo) -> None:
    with going(made, lambda: {"kiln1": {}}, rate=20.0):
        opened(page, made)
        page.wait_for("document.querySelector('canvas').width === 640")
        page.evaluate(SLOW_PICTURES)
        time.sleep(1.5)
        asked, most = page.evaluate("[asked.length, most]")
        assert (2 <= asked <= 5, most) == (True, 1)
        assert page.evaluate("asked.every(address => address.includes('overlay=0'))")
        page.click("#regions")
        page.wait_for("asked.some(address => address.includes('overlay=1'))", 3)
        assert "picture 0." in text(page, ".health")


def test_the_pictures_around_a_click_are_stepped_through_by_keys(page: Page, made: Demo) -> None:
    opened(page, made)
    page.click(".lanes")  # its middle: normal, four hours ago
    page.wait_for("document.body.dataset.replay")
    first = int(page.evaluate("document.body.dataset.replay"))
    assert 225 < first < 260
    assert text(page, ".replay .title").startswith("REPLAY ")
    assert text(page, ".word") == "NORMAL"  # the state is still that of now
    for key, number in (("ArrowRight", first + 1), ("ArrowRight", first + 2), ("ArrowLeft", first + 1)):
        page.press(key)
        page.wait_for(f"document.body.dataset.replay === '{number}'", 3)
    page.press(" ")
    page.wait_for(f"Number(document.body.dataset.replay) > {first + 2}", 5)
    page.press(" ")
    page.press("Escape")
    page.wait_for("document.body.dataset.replay === '' && !document.querySelector('.replay')")
    page.click("#events button")
    page.wait_for("document.body.dataset.replay === '469'")
    assert page.errors == []


def test_several_cameras_have_an_overview_that_leads_to_each(page: Page, made: Demo) -> None:
    made.show("kiln2", 2, state="over")
    assert made.known is not None
    page.goto(made.known.address)
    page.wait_for("document.querySelectorAll('.card').length === 2")
    assert page.evaluate("location.href") == f"{made.known.home}/"
    assert page.evaluate("document.cookie") == ""
    # The first message may be a quarter of a second old; the next one brings what was changed just before.
    page.wait_for(
        "[...document.querySelectorAll('.card .word')].map(one => one.innerText).join() === 'NORMAL,OVER'"
    )
    page.click(".card:nth-child(2) h2")
    page.wait_for("location.pathname === '/camera/kiln2' && document.body.dataset.past")
    assert text(page, ".word") == "OVER"


@pytest.mark.parametrize("width", [390, 1366])
def test_nobody_else_is_asked_and_nothing_sticks_out(page: Page, made: Demo, width: int) -> None:
    page.resize(width, 844)
    made.desk.post(RAISED)
    opened(page, made)
    page.click(".lanes")
    page.wait_for("document.body.dataset.replay")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert {urlsplit(url).netloc for url in page.requests} == {f"127.0.0.1:{made.port}"}
    assert not [url for url in page.requests if KEYS.token in url][
        1:
    ]  # the key is in the first address alone
    assert page.errors == []
