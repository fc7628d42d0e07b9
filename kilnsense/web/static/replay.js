// Pictures of the past in place of the live one, stepped through with the arrow keys; never to be mistaken.

import { make, put, state, when } from "/words.js";
import { ask, serverNow } from "/stream.js";
import { wishes } from "/screen.js";
import { markMoment } from "/history.js";
import { say } from "/alarms.js";

const FORGOTTEN = 120; // seconds without a key or a click after which the live picture comes back
const STEP = 400; // milliseconds of a picture while it plays

let stage = null;
let pictures = [];
let at = 0;
let playing = false;
let touched = 0;
let number = 0; // of the picture that was asked for: an older one that comes later is dropped
const box = make("div", undefined, "replay");
const image = make("img");
const title = make("p", undefined, "title");
const controls = make("p", undefined, "controls");
const play = button("▶ play", () => run(!playing));

function button(text, work) {
  const made = make("button", text);
  made.type = "button";
  made.addEventListener("click", () => {
    made.blur();
    touched = performance.now();
    work();
  });
  return made;
}

const on = () => box.isConnected;

// Shows a picture and resolves when it is there, or cannot be.
function show(place) {
  at = Math.max(0, Math.min(pictures.length - 1, place));
  const one = pictures[at];
  const mine = ++number;
  const fresh = new Image();
  return new Promise(done => {
    fresh.onload = fresh.onerror = event => {
      if (mine === number && on()) {
        const there = event.type === "load";
        if (there) image.src = fresh.src;
        image.hidden = !there;
        put(title, `REPLAY ${when(one.at, serverNow())} · ${state(one.word)} then · ${at + 1} of ${pictures.length}${there ? "" : " · this picture is not kept any more"}`);
        markMoment(one.at);
        document.body.dataset.replay = String(one.id);
      }
      done();
    };
    fresh.src = `/stored/${one.id}.jpg?overlay=${wishes.overlay ? 1 : 0}`;
  });
}

async function run(wanted) {
  playing = wanted;
  put(play, playing ? "⏸ pause" : "▶ play");
  if (playing && at === pictures.length - 1) await show(0);
  while (playing && on() && at < pictures.length - 1) {
    touched = performance.now();
    await Promise.all([show(at + 1), new Promise(done => setTimeout(done, STEP))]);
  }
  playing = false;
  put(play, "▶ play");
}

function step(by) {
  run(false);
  show(at + by);
}

export function close() {
  if (!on()) return;
  playing = false;
  box.remove();
  stage.classList.remove("replaying");
  markMoment(null);
  document.body.dataset.replay = "";
}

export async function open(camera, moment) {
  touched = performance.now();
  let found;
  try {
    found = (await ask(`/camera/${camera}/around?at=${moment}`)).pictures;
  } catch (error) {
    return say(`The pictures of that moment cannot be read: ${error.message}`);
  }
  if (!found.length) return say(`No pictures are kept of ${when(moment, serverNow())} and the ten minutes around it.`);
  say("");
  pictures = found;
  const nearest = pictures.reduce((best, one, index) => (Math.abs(one.at - moment) < Math.abs(pictures[best].at - moment) ? index : best), 0);
  run(false);
  stage.append(box);
  stage.classList.add("replaying");
  scrollTo({ top: 0 });
  await show(nearest);
}

export const again = () => on() && show(at); // the same picture, after a wish has changed

const keys = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  Home: () => step(-pictures.length),
  End: () => step(pictures.length),
  " ": () => run(!playing),
  Escape: close,
};

export function beginReplay(where) {
  stage = where;
  controls.append(button("◀", () => step(-1)), play, button("▶", () => step(1)), button("Back to live (Esc)", close));
  image.alt = "A picture of the past";
  box.append(image, title, controls);
  document.addEventListener("keydown", event => {
    if (!on() || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (!Object.hasOwn(keys, event.key) || event.target.matches("input")) return;
    event.preventDefault();
    touched = performance.now();
    keys[event.key]();
  });
  setInterval(() => on() && performance.now() - touched > FORGOTTEN * 1000 && close(), 1000);
}
