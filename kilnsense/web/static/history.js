// What was: the ribbon of states, the trends, the strip of event pictures, the journal.

import { by, clock, draw, make, put, state, tone, when } from "/words.js";
import { ask, link, lost, serverNow } from "/stream.js";

const LEFT = 92; // pixels for the names of the lanes
const RIGHT = 12;
const LANE = 15;
const GAP = 450; // seconds between two aggregates after which the line breaks
const WINDOW = 8 * 3600;

let camera = "";
let until = null; // end of what is shown; null: now
let told = null; // what was answered last
let marked = null; // a moment that is marked
let choose = () => {};
let number = 0; // of the question: an older answer is dropped

const classes = () => {
  const found = link.board && link.board.cameras.find(one => one.name === camera);
  return found && found.reading ? found.reading.classes : null;
};

function across(width) {
  return moment => LEFT + ((moment - told.since) / (told.until - told.since)) * (width - LEFT - RIGHT);
}

function hours(picture, x, height) {
  const first = Math.ceil(told.since / 3600) * 3600;
  for (let moment = first; moment < told.until; moment += 3600) {
    picture.append(draw("line", { x1: x(moment), x2: x(moment), y1: 0, y2: height, class: "hour" }));
  }
}

function names(x, width) {
  const picture = draw("svg", { width, height: 16, class: "hours" });
  const step = (3600 * (width - LEFT)) / WINDOW < 48 ? 7200 : 3600;
  const first = Math.ceil(told.since / step) * step;
  for (let moment = first; moment < told.until; moment += step) {
    const place = x(moment);
    if (place < width - 50) picture.append(draw("text", { x: place, y: 12, "text-anchor": "middle" }, clock(moment, false)));
  }
  picture.append(draw("text", { x: width - RIGHT, y: 12, "text-anchor": "end" }, until === null ? "now" : clock(told.until, false)));
  return picture;
}

function hatch() {
  const found = draw("defs", {});
  const pattern = draw("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  pattern.append(draw("rect", { width: 6, height: 6, class: "hatchback" }), draw("rect", { width: 2.5, height: 6, class: "hatchline" }));
  found.append(pattern);
  return found;
}

function lanes(x, width) {
  const known = classes() || [...new Set(told.spans.map(span => span.word))].filter(word => word !== "UNKNOWN");
  const order = [...known].reverse().concat("UNKNOWN"); // hot above
  const height = LANE * order.length;
  const picture = draw("svg", { width, height, class: "lanes", tabindex: 0, role: "img" });
  picture.append(hatch());
  order.forEach((word, lane) => {
    picture.append(
      draw("rect", { x: LEFT, y: lane * LANE, width: width - LEFT - RIGHT, height: LANE - 1, class: "lane" }),
      draw("text", { x: LEFT - 8, y: lane * LANE + 11.5, "text-anchor": "end" }, state(word)),
    );
  });
  hours(picture, x, height);
  const sums = {};
  for (const span of told.spans) {
    const lane = order.indexOf(span.word) < 0 ? order.length - 1 : order.indexOf(span.word);
    const from = x(Math.max(span.start, told.since));
    const wide = Math.max(1.5, x(Math.min(span.end, told.until)) - from);
    picture.append(draw("rect", { x: from, y: lane * LANE, width: wide, height: LANE - 1, class: `span ${tone(known, span.word)}` }));
    sums[span.word] = (sums[span.word] || 0) + span.end - span.start;
  }
  const all = told.until - told.since;
  const shares = order.filter(word => sums[word]).map(word => `${state(word)} ${Math.round((100 * sums[word]) / all)} %`);
  picture.setAttribute("aria-label", `States of 8 hours: ${shares.join(", ") || "nothing is known"}`);
  return picture;
}

function line(points, place, height, range) {
  const [low, high] = range;
  const y = value => height - 3 - ((value - low) / (high - low || 1)) * (height - 6);
  let path = "";
  let last = -Infinity;
  for (const [moment, value] of points) {
    if (value === null || value === undefined) continue;
    path += `${moment - last > GAP ? "M" : "L"}${place(moment).toFixed(1)} ${y(value).toFixed(1)}`;
    if (moment - last > GAP) path += `h.01`; // a point that stands alone is seen too
    last = moment;
  }
  return draw("path", { d: path || "M0 0", class: "line" });
}

const MIDDLE = 150; // seconds from the start of an aggregate to its middle

function sureness(x, width) {
  const height = 38;
  const picture = draw("svg", { width, height, class: "sure" });
  picture.append(draw("rect", { x: LEFT, y: 0, width: width - LEFT - RIGHT, height, class: "lane" }));
  hours(picture, x, height);
  for (const [share, y] of [["100 %", 10], ["0 %", height - 2]]) {
    picture.append(draw("text", { x: LEFT - 8, y, "text-anchor": "end" }, share));
  }
  picture.append(draw("text", { x: 0, y: height / 2 + 4, class: "title" }, "confidence"));
  const points = told.aggregates.map(one => [one.start + MIDDLE, one.confidence]);
  picture.append(line(points, x, height, [0, 1]));
  return picture;
}

function trend(title, what, unit, points) {
  const values = points.map(point => point[1]).filter(value => value !== null && value !== undefined);
  const box = make("figure", undefined, "trend");
  const last = points.length ? points[points.length - 1][1] : null;
  const head = make("figcaption");
  const number = value => `${value.toFixed(1)}${unit}`;
  head.append(make("span", title), make("b", last === null || last === undefined ? "–" : number(last)));
  const picture = draw("svg", { viewBox: "0 0 160 40", preserveAspectRatio: "none", "aria-hidden": "true" });
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (values.length) {
    const place = moment => (160 * (moment - told.since)) / (told.until - told.since);
    const room = (high - low) * 0.08 || 1;
    picture.append(line(points, place, 40, [low - room, high + room]));
  }
  box.append(head, picture, make("span", values.length ? `${what} ${low.toFixed(1)} to ${high.toFixed(1)}` : `${what}: not seen`, "range"));
  return box;
}

function trends() {
  const found = told.aggregates;
  const regions = [...new Set(found.flatMap(one => Object.keys(one.regions)))].sort();
  const points = read => found.map(one => [one.start + MIDDLE, read(one)]);
  const area = regions.map(name => trend(name, "area", " %", points(one => one.regions[name] && 100 * one.regions[name][0])));
  const light = regions.map(name => trend(name, "L*", " L*", points(one => one.regions[name] && one.regions[name][1])));
  const edge = trend("bed edge", "height", " %", points(one => (one.bed_edge === null ? null : 100 * one.bed_edge)));
  const columns = regions.length + 1;
  by("trends").style.setProperty("--columns", columns); // on a high screen two rows, on a low one a single one
  by("trends").style.setProperty("--panels", area.length + light.length + 1);
  by("trends").replaceChildren(...area, edge, ...light);
}

function moment(event, picture) {
  const box = picture.getBoundingClientRect();
  const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
  return share < 0 || share > 1 ? null : told.since + share * (told.until - told.since);
}

function pointer(picture, x, height) {
  const mark = draw("line", { y1: 0, y2: height, class: "pointer", visibility: "hidden" });
  picture.append(mark);
  picture.addEventListener("pointermove", event => {
    const at = moment(event, picture);
    mark.setAttribute("visibility", at === null ? "hidden" : "visible");
    if (at === null) return;
    mark.setAttribute("x1", x(at));
    mark.setAttribute("x2", x(at));
    put(by("hint"), `Click for the pictures of ${when(at, serverNow())}.`);
  });
  picture.addEventListener("click", event => {
    const at = moment(event, picture);
    if (at !== null) choose(at);
  });
}

function show() {
  if (!told) return;
  const width = by("ribbon").clientWidth;
  if (!width) return;
  const x = across(width);
  const states = lanes(x, width);
  const sure = sureness(x, width);
  for (const picture of [states, sure]) {
    pointer(picture, x, picture.getAttribute("height"));
    if (marked !== null && marked >= told.since && marked <= told.until) {
      picture.append(draw("line", { x1: x(marked), x2: x(marked), y1: 0, y2: picture.getAttribute("height"), class: "marked" }));
    }
  }
  states.addEventListener("keydown", event => {
    if (event.key !== "Enter" || !told.spans.length) return;
    choose(told.spans[told.spans.length - 1].start); // the last change
  });
  by("ribbon").replaceChildren(states, names(x, width), sure);
}

export function markMoment(at) {
  marked = at;
  show();
}

function events() {
  by("noevents").hidden = told.pictures.length > 0;
  const known = classes() || [];
  const made = [...told.pictures].reverse().map(one => {
    const item = make("li");
    const button = make("button");
    button.type = "button";
    const image = make("img");
    image.loading = "lazy";
    image.alt = "";
    image.src = `/stored/${one.id}.jpg`;
    const text = make("span", `${when(one.at, serverNow())} ${state(one.word)}`);
    text.className = tone(known, one.word);
    button.append(image, text, make("span", one.why, "soft"));
    button.addEventListener("click", () => choose(one.at));
    item.append(button);
    return item;
  });
  by("events").replaceChildren(...made);
}

function journal(found) {
  by("nojournal").hidden = found.lines.length > 0;
  const rows = [...found.lines].reverse().map(one => {
    const row = make("tr");
    const who = [one.user, one.reason].filter(Boolean).join(": ");
    row.append(make("td", when(one.at, serverNow())), make("td", one.action), make("td", one.id), make("td", who), make("td", one.text));
    return row;
  });
  if (found.left_out) rows.push(make("tr", `${found.left_out} older lines are not shown.`));
  by("journal").tBodies[0].replaceChildren(...rows);
}

export async function load() {
  const asked = ++number;
  const window = until === null ? "" : `?until=${until}`;
  try {
    const [past, lines] = await Promise.all([ask(`/camera/${camera}/past${window}`), ask(`/journal${window}`)]);
    if (asked !== number) return;
    const same = told && JSON.stringify(told.pictures) === JSON.stringify(past.pictures);
    told = past;
    by("pastproblem").hidden = true;
    show();
    trends();
    if (!same) events();
    journal(lines);
  } catch (error) {
    if (asked !== number) return;
    by("pastproblem").hidden = false;
    put(by("pastproblem"), `The history cannot be read: ${lost() ? "no connection" : error.message}`);
  }
  if (told) put(by("when"), `${when(told.since, serverNow(), false)} to ${until === null ? "now" : when(told.until, serverNow(), false)}`);
  by("later").disabled = by("now").disabled = until === null;
  document.body.dataset.past = String(asked);
}

function move(seconds) {
  const end = (until === null ? serverNow() : until) + seconds;
  until = end >= serverNow() - 60 ? null : Math.round(end);
  load();
}

export function beginHistory(name, picked) {
  camera = name;
  choose = picked;
  by("past").hidden = by("below").hidden = false;
  by("earlier").addEventListener("click", () => move(-WINDOW));
  by("later").addEventListener("click", () => move(WINDOW));
  by("now").addEventListener("click", () => move(Infinity));
  addEventListener("resize", show);
  load();
  setInterval(() => !document.hidden && until === null && !lost() && load(), 30000);
}
