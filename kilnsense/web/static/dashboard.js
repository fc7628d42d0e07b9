// The page of the monitor: all cameras, or one. Four times a second it looks at what it knows and how old
// that is; nothing stays on the screen as if it were true now once it may not be.

import { by, clock, make, put, state } from "/words.js";
import { follow, link, lost } from "/stream.js";
import { face, verdict, wishes } from "/screen.js";
import { beginAlarms, tellAlarms, tellUser } from "/alarms.js";
import { beginHistory, load } from "/history.js";
import { again, beginReplay, open } from "/replay.js";

const asked = new URLSearchParams(location.search).get("camera");
const path = location.pathname.match(/^\/camera\/([^/]+)$/);
let camera = path ? path[1] : asked;
let faces = null;
let built = ""; // the cameras that the page was built for
let words = "";

// The key stays in the cookie, not in the address; that of a screen stays, so that it can load the page anew.
if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", location.pathname);

function begin() {
  const { cameras, site } = link.facts;
  if (cameras.length === 1) camera = cameras[0];
  const one = cameras.includes(camera);
  put(by("site"), site);
  by("cameras").hidden = cameras.length === 1;
  for (const name of cameras) {
    const entry = make("a", name);
    entry.href = `/camera/${name}`;
    if (name === camera) entry.setAttribute("aria-current", "page");
    by("cameras").append(entry);
  }
  document.body.classList.add(one ? "one" : "all");
  faces = (one ? [camera] : cameras).map(name => face(name, { card: !one }));
  by("faces").style.setProperty("--across", Math.ceil(Math.sqrt(faces.length / 2)));
  by("faces").append(...faces.map(made => made.root));
  beginAlarms(one ? camera : "");
  if (one) beginCamera(faces[0]);
}

function beginCamera(made) {
  const regions = make("button", "Regions");
  regions.type = "button";
  regions.id = "regions";
  const tell = () => regions.setAttribute("aria-pressed", String(wishes.overlay));
  regions.addEventListener("click", () => {
    regions.blur();
    wishes.overlay = !wishes.overlay;
    localStorage.setItem("kilnsense.overlay", wishes.overlay ? "1" : "0");
    tell();
    again();
  });
  tell();
  made.stage.append(regions);
  beginReplay(made.stage);
  beginHistory(camera, moment => open(camera, moment));
}

const MARKS = { hot: "▲", cold: "▼", mid: "●", unknown: "?" };

function tick() {
  by("frozen").getAnimations()[0].currentTime = 0; // it shows itself when this is not done any more
  const cut = lost();
  document.body.classList.toggle("lost", cut && link.board !== null);
  put(by("clock"), clock(Date.now() / 1000));
  put(by("link"), cut ? "✕ no connection" : "✓ connected");
  by("lost").hidden = !cut || (link.board === null && !link.why && performance.now() < 3000);
  if (cut) {
    const old = link.board ? ` – shown values are old since ${clock(link.came.wall / 1000)}` : "";
    put(by("lost"), `NO CONNECTION${old}${link.why ? ` (${link.why})` : ""}`);
  }
  if (!faces) return;
  const seen = faces.map(made => [made.name, made.tick()]);
  const unseen = tellAlarms();
  for (const entry of by("cameras").children) {
    const now = verdict(entry.textContent);
    entry.dataset.mark = MARKS[now.tone];
  }
  const worst = seen.map(([name, now]) => `${MARKS[now.tone]} ${now.word === null ? "UNKNOWN" : state(now.word)} ${name}`);
  document.title = `${unseen ? `(${unseen}) ` : ""}${worst.join(" · ")}`;
}

function take() {
  const cameras = link.facts.cameras.join();
  if (!faces) begin();
  else if (built !== cameras) location.reload(); // the monitor was started anew with others
  built = cameras;
  tellUser();
  tick();
  const now = link.board.cameras.map(one => `${one.name} ${one.reading ? one.reading.state : ""}`).join();
  if (words && words !== now && document.body.classList.contains("one")) setTimeout(load, 1500); // it is in the history then
  words = now;
  document.body.dataset.ready = "1";
}

document.addEventListener("visibilitychange", tick);
setInterval(tick, 250);
tick();
follow(take);
