"use strict";

// A key or a click acts only on a picture that is on the screen, and one after the other: what comes while
// the next picture is on its way is passed over, so that nothing is labelled unseen.

const by = id => document.getElementById(id);
const own = { "x-kilnsense": "review" };
let run = null; // what /queue told
let shown = null; // what /places/N told
let at = 0; // the place that was asked for last
let busy = true;

history.replaceState(null, "", "/"); // the key stays in the cookie, not in the address

function make(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("The review has ended: start it again, and open the address that it prints.");
  }
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function act(work) {
  if (busy) return;
  busy = true;
  document.body.dataset.ready = "";
  try {
    say("");
    await work();
  } catch (error) {
    say(error.message);
  }
  busy = false;
  document.body.dataset.ready = shown ? String(shown.place) : "none";
}

function say(text) {
  by("message").textContent = text;
  by("message").hidden = !text;
}

function load(image, address) {
  return new Promise(done => {
    image.onload = image.onerror = () => done();
    image.src = address;
  });
}

async function show(place) {
  at = place;
  const told = await ask(`/places/${place}`);
  const readable = !told.problem;
  shown = null; // from here on until the picture is there nothing is on the screen
  by("picture").hidden = !readable;
  by("problem").hidden = readable;
  by("problem").textContent = readable ? "" : `This picture cannot be shown: ${told.problem}`;
  if (readable) await load(by("picture"), `/places/${place}/picture.jpg`);
  shown = told;
  await layer();
  tell();
  stand(told);
  document.querySelector("main").hidden = false;
  if (place + 1 < run.total) fetch(`/places/${place + 1}`).catch(() => {}); // so that it is ready when asked for
}

async function layer() {
  const wanted = by("regions").getAttribute("aria-pressed") === "true" && !shown.problem;
  if (wanted) await load(by("overlay"), `/places/${shown.place}/overlay.jpg`);
  by("overlay").hidden = !wanted;
}

function stand(told) {
  by("count").textContent = `${told.labelled} of ${run.total}`;
  by("done").style.width = `${(100 * told.labelled) / run.total}%`;
  shown.next = told.next;
  if (told.next === null) say(`All ${run.total} are labelled. Look at them again, or end the review with Ctrl-C.`);
}

function tell() {
  by("position").textContent = `picture ${shown.place + 1} of ${run.total}:`;
  by("path").textContent = shown.path;
  mark();
  const best = shown.best ? `Most likely ${shown.best}, but ` : "";
  by("verdict").textContent = shown.said ? `${shown.said}, ${shown.reason}` : `${best}${shown.reason}`;
  by("flags").textContent = shown.flags.join(", ");
  by("bars").replaceChildren(...shown.probabilities.map((share, index) => bar(run.classes[index], share)));
  by("unfamiliar").textContent =
    shown.unfamiliarity === null
      ? "Nothing was scored."
      : `Unfamiliarity ${shown.unfamiliarity.toFixed(2)}; above 1 it is unlike the training frames.`;
  by("unfamiliar").classList.toggle("far", shown.unfamiliarity > 1);
  by("nearest").replaceChildren(...shown.nearest.map(neighbour));
  by("previous").disabled = shown.place === 0;
  by("following").disabled = shown.place + 1 >= run.total;
}

function bar(name, share) {
  const row = make("div", undefined, "row");
  const filled = make("i");
  filled.style.width = `${100 * share}%`;
  const track = make("div");
  track.append(filled);
  const best = name === shown.best ? "best" : "";
  row.append(make("span", name, best), track, make("span", share.toFixed(2), best));
  return row;
}

function neighbour(one) {
  const item = make("li");
  if (one.pictured) {
    const image = make("img");
    image.alt = "";
    image.onerror = () => image.replaceWith(make("div", "no picture", "gone"));
    image.src = `/gallery/${one.number}.jpg`;
    item.append(image);
  } else {
    item.append(make("div", "no picture", "gone"));
  }
  const text = make("div", undefined, "text");
  text.append(make("b", one.label), make("span", one.group), make("span", `distance ${one.distance.toFixed(2)}`));
  item.append(text);
  return item;
}

function mark() {
  for (const button of by("classes").children) {
    button.setAttribute("aria-pressed", String(button.dataset.label === shown.label));
    button.disabled = Boolean(shown.problem);
  }
}

const label = name =>
  act(async () => {
    if (!shown || shown.problem) return;
    const told = await ask(`/places/${shown.place}/label`, { method: "POST", headers: own, body: name });
    shown.label = told.label;
    mark();
    stand(told);
    if (told.next !== null) await show(told.next);
  });

const undo = () =>
  act(async () => {
    const told = await ask("/undo", { method: "POST", headers: own, body: "" });
    if (told.place !== null) {
      await show(told.place);
    } else {
      stand(told);
      say(`Taken back: ${told.path}, which is not in this queue.`);
    }
  });

const move = step =>
  act(async () => {
    const place = at + step;
    if (place >= 0 && place < run.total) await show(place);
  });

const skip = () =>
  act(async () => {
    if (shown && shown.next !== null) await show(shown.next);
  });

const regions = () =>
  act(async () => {
    const on = by("regions").getAttribute("aria-pressed") === "true";
    by("regions").setAttribute("aria-pressed", String(!on));
    if (shown) await layer();
  });

const keys = {
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
  u: undo,
  s: skip,
  o: regions,
};

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !run) return;
  const name = run.classes.slice(0, 9)[Number(event.key) - 1];
  if (name !== undefined) label(name);
  else if (Object.hasOwn(keys, event.key)) keys[event.key]();
  else return;
  event.preventDefault();
});

function press(button, work) {
  button.addEventListener("click", () => {
    button.blur(); // so that the space bar does not do it again
    work();
  });
}

async function begin() {
  run = await ask("/queue");
  by("title").textContent = run.title;
  document.title = `Review ${run.title}`;
  run.classes.forEach((name, index) => {
    const button = make("button");
    button.type = "button";
    button.dataset.label = name;
    if (index < 9) button.append(make("kbd", String(index + 1)), " ");
    button.append(name);
    press(button, () => label(name));
    by("classes").append(button);
  });
  press(by("previous"), () => move(-1));
  press(by("following"), () => move(1));
  press(by("skip"), skip);
  press(by("undo"), undo);
  press(by("regions"), regions);
  await show(run.next === null ? 0 : run.next);
}

busy = false;
act(begin);
