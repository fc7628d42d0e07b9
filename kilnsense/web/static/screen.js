// One camera on the screen: its picture, its state in words, and how it does.

import { age, camera, clock, icon, make, put, reason, span, state, tone, when } from "/words.js";
import { link, lost, serverNow, since, stamp } from "/stream.js";

const OLD_PICTURE = 5; // seconds after which a picture is called old
const OLD_READING = 10; // seconds after which no state is shown any more

export const wishes = { overlay: localStorage.getItem("kilnsense.overlay") === "1" };

// What may be said of a camera now: its state, or why there is none.
export function verdict(name) {
  const found = link.board && link.board.cameras.find(one => one.name === name);
  if (lost()) {
    return { word: null, tone: "unknown", why: link.board ? "No connection to the monitor." : "Not connected yet." };
  }
  const reading = found && found.reading;
  if (!reading) return { word: null, tone: "unknown", why: "There is no reading yet." };
  const old = found.age + since(link.came);
  if (old > OLD_READING) {
    return { word: null, tone: "unknown", why: `The monitor has said nothing for ${span(old)}.` };
  }
  if (reading.state === null) return { word: null, tone: "unknown", why: reason(reading), reading };
  return { word: reading.state, tone: tone(reading.classes, reading.state), why: "", reading };
}

function trend(reading) {
  if (reading.trend === "") return "cannot be told";
  if (reading.trend === "steady") return "→ steady";
  const { classes } = reading;
  const way = classes.indexOf(reading.trend) - classes.indexOf(reading.state);
  const side = way || { hot: 1, cold: -1 }[tone(classes, reading.trend)] || 0; // further to where it is
  return `${side > 0 ? "↗" : side < 0 ? "↘" : "→"} towards ${reading.trend.replaceAll("_", " ")}`;
}

// Width of a text in its own font size, so that the word is as large as its box allows.
function ems(text) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "800 100px system-ui, sans-serif";
  return Math.max(1, pen.measureText(text).width / 100 + 0.02 * text.length);
}

export function face(name, { card }) {
  const root = make(card ? "a" : "article", undefined, card ? "face card" : "face");
  if (card) root.href = `/camera/${name}`;
  const stage = make("figure", undefined, "stage");
  const canvas = make("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Picture of ${name}`);
  const badge = make("p", undefined, "badge");
  stage.append(canvas, badge);
  const panel = make("section", undefined, "state");
  panel.setAttribute("aria-live", "polite");
  const mark = make("div", undefined, "mark");
  const word = make("p", undefined, "word");
  const why = make("p", undefined, "why");
  const facts = make("dl");
  const fact = title => {
    const box = make("div");
    const value = make("dd");
    box.append(make("dt", title), value);
    facts.append(box);
    return value;
  };
  const sure = fact("confidence");
  const began = fact("since");
  const drift = fact("trend");
  panel.append(mark, word, why, facts);
  const health = make("p", undefined, "health");
  if (card) root.append(make("h2", name));
  root.append(stage, panel, health);

  let shown = null; // the picture on the screen: its number, its moment, its age when it came
  let kind = "";

  function tick() {
    const seen = verdict(name);
    if (kind !== seen.tone) {
      kind = seen.tone;
      mark.replaceChildren(icon(kind));
      root.dataset.tone = kind;
    }
    const text = seen.word === null ? "UNKNOWN" : state(seen.word);
    if (word.textContent !== text) {
      put(word, text);
      word.style.setProperty("--ems", ems(text));
    }
    put(why, seen.why);
    why.hidden = !seen.why;
    const reading = seen.reading; // none where the last one may not be believed any more
    put(sure, seen.word === null ? "–" : `${Math.floor(100 * reading.confidence)} %`);
    const now = serverNow();
    put(began, reading ? `${when(reading.since, now)} (${span(now - reading.since)})` : "–");
    put(drift, seen.word !== null ? trend(reading) : "–");
    tellHealth(reading ? reading.health : null);
    tellPicture();
    return seen;
  }

  function tellHealth(now) {
    root.dataset.camera = now ? now.state : "none";
    if (!now) return put(health, lost() ? "Camera: not known without connection" : "Camera: nothing is known now");
    const good = now.state === "LIVE";
    const rate = `${now.rate.toFixed(now.rate < 10 ? 1 : 0)} frames/s`;
    const again = `${now.reconnects} reconnect${now.reconnects === 1 ? "" : "s"}`;
    const told = [`${good ? "✓" : "✕"} Camera ${camera(now)}`];
    if (!good) told.push(`since ${clock(now.since)}`);
    if (shown) told.push(`picture ${age(pictureAge())} old`);
    told.push(rate, again);
    if (now.message) told.push(now.message);
    put(health, told.join(" · "));
  }

  const pictureAge = () => shown.age + since(shown.came);

  function tellPicture() {
    const old = shown !== null && pictureAge() > OLD_PICTURE;
    stage.classList.toggle("old", old || shown === null || lost());
    badge.hidden = shown !== null && !old;
    if (shown === null) put(badge, "no picture yet");
    else if (old) put(badge, `picture is ${span(pictureAge())} old`);
  }

  // The next picture is asked for only when the last one is on the screen, so none can pile up.
  async function next() {
    const told = link.board && link.board.cameras.find(one => one.name === name);
    const picture = told && told.picture;
    if (!picture || document.hidden || lost() || !root.isConnected) return false;
    const overlay = wishes.overlay && !card;
    if (shown && shown.seq === picture.seq && shown.overlay === overlay) return false;
    const address = `/camera/${name}/picture.jpg?seq=${picture.seq}&overlay=${overlay ? 1 : 0}`;
    const asked = stamp();
    const answer = await fetch(address, { signal: AbortSignal.timeout(8000) });
    if (!answer.ok) return true;
    const image = await createImageBitmap(await answer.blob());
    if (canvas.width !== image.width || canvas.height !== image.height) {
      canvas.width = image.width;
      canvas.height = image.height;
    }
    canvas.getContext("2d").drawImage(image, 0, 0);
    image.close();
    shown = { seq: Number(answer.headers.get("x-seq")), overlay, age: Number(answer.headers.get("x-age")), came: asked };
    canvas.dataset.seq = shown.seq;
    return true;
  }

  async function pump() {
    for (;;) {
      const asked = await next().catch(() => true); // the age of the one that stays grows on the screen
      await new Promise(done => setTimeout(done, asked ? (card ? 900 : 220) : 40));
    }
  }
  pump();

  return { root, stage, tick, name };
}
