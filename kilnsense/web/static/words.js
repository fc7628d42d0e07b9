// Words, shapes and numbers: how the page says things.

export const by = id => document.getElementById(id);

export function make(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text; // so that selections and readers stay calm
}

export function draw(tag, facts, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(facts)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const REASONS = {
  starting: "The monitor is starting.",
  camera_connecting: "The camera is being connected.",
  camera_stalled: "The camera sends no new picture.",
  camera_offline: "The camera cannot be reached.",
  bad_picture: "The picture is not fit to be judged",
  unfamiliar: "The picture is unlike those that the model knows.",
  low_confidence: "The model is not sure enough to name a state.",
  model_fault: "The model does not pass its self-test.",
  stale: "The last judged picture is too old.",
};

const BAD = {
  frozen: "it stands still",
  dark: "it is too dark",
  over_exposed: "it is over-exposed",
  blurred: "it is blurred",
  dusted: "it is veiled by dust",
};

const CAMERA = {
  CONNECTING: "connecting",
  LIVE: "live",
  STALLED: "stalled",
  BAD_PICTURE: "bad picture",
  OFFLINE: "offline",
};

const words = name => name.replaceAll("_", " ");

export function reason(reading) {
  const why = REASONS[reading.reason] || words(reading.reason);
  if (reading.reason !== "bad_picture") return why;
  const bad = BAD[reading.health.detail];
  return bad ? `${why}: ${bad}.` : `${why}.`;
}

export function camera(health) {
  const bad = health.state === "BAD_PICTURE" && BAD[health.detail];
  return bad ? `${CAMERA.BAD_PICTURE}: ${bad}` : CAMERA[health.state] || health.state;
}

// Which side of the middle a class lies on: the classes stand in order from cold to hot.
export function tone(classes, word) {
  const index = classes.indexOf(word);
  if (index < 0) return "unknown";
  const middle = (classes.length - 1) / 2;
  return index < middle ? "cold" : index > middle ? "hot" : "mid";
}

const SHAPES = {
  hot: "M50 8 L96 90 H4 Z",
  cold: "M50 92 L4 10 H96 Z",
  mid: "M50 6 A44 44 0 1 0 50.01 6 Z",
};

export function icon(kind) {
  const picture = draw("svg", { viewBox: "0 0 100 100", class: "icon", "aria-hidden": "true" });
  if (kind === "unknown") {
    picture.append(
      draw("rect", { x: 6, y: 6, width: 88, height: 88, class: "dashed" }),
      draw("text", { x: 50, y: 76, "text-anchor": "middle", class: "question" }, "?"),
    );
  } else {
    picture.append(draw("path", { d: SHAPES[kind] }));
  }
  return picture;
}

const two = number => String(number).padStart(2, "0");

export function clock(moment, seconds = true) {
  const date = new Date(moment * 1000);
  const told = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return seconds ? `${told}:${two(date.getSeconds())}` : told;
}

export function day(moment) {
  const date = new Date(moment * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

// The date stands before the time where it is not today's.
export function when(moment, now, seconds = true) {
  return day(moment) === day(now) ? clock(moment, seconds) : `${day(moment)} ${clock(moment, seconds)}`;
}

export function span(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

export const age = seconds => (seconds < 10 ? `${seconds.toFixed(1)} s` : span(seconds));

export function state(word) {
  return words(word).toUpperCase();
}
