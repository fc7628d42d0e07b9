// The list of alarms, and how they are answered.

import { by, make, put, span, when } from "/words.js";
import { link, lost, post, serverNow } from "/stream.js";

const PRIORITY = { high: ["▲▲", "high"], medium: ["▲", "medium"], low: ["△", "low"] };
const RANK = { high: 0, medium: 1, low: 2 };
const rows = new Map(); // id of an alarm -> its line on the screen
let own = ""; // the camera of this page

export function say(text) {
  put(by("message").firstElementChild, text);
  by("message").hidden = !text;
}

export const user = () => localStorage.getItem("kilnsense.user") || "";
const answers = () => link.facts !== null && link.facts.role === "operator";

export function tellUser() {
  by("user").hidden = !answers();
  by("only").hidden = !link.facts || answers();
  put(by("user"), user() ? `Name: ${user()}` : "Name?");
}

// Asks for the name once; resolves to it, or to "" if somebody would rather not say.
function name(anew) {
  if (user() && !anew) return Promise.resolve(user());
  const dialog = by("who");
  by("name").value = user();
  dialog.showModal();
  by("name").select();
  return new Promise(done => {
    let given = "";
    by("named").onclick = () => {
      given = by("name").value.trim();
      if (!given) return by("name").focus();
      localStorage.setItem("kilnsense.user", given);
      tellUser();
      dialog.close();
    };
    dialog.onclose = () => done(given);
  });
}

async function answer(alarm, what, more, button) {
  const who = await name(false);
  if (!who) return;
  button.disabled = true;
  try {
    await post(`/alarm/${alarm}/${what}`, { user: who, ...more });
    say("");
  } catch (error) {
    say(`Not done: ${error.message}`);
  }
  button.disabled = false;
}

function shelve(alarm) {
  const dialog = by("shelf");
  put(by("shelftitle"), `Shelve ${alarm}`);
  const line = (first, why) => {
    const row = make("div", undefined, "choice");
    row.append(first);
    for (const seconds of link.facts.shelves) {
      const button = make("button", span(seconds));
      button.type = "button";
      button.addEventListener("click", () => {
        const reason = why().trim();
        if (!reason) return first.querySelector("input").focus();
        dialog.close();
        answer(alarm, "shelve", { reason, seconds }, button);
      });
      row.append(button);
    }
    return row;
  };
  const free = make("label", "other: ");
  const field = make("input");
  field.maxLength = 200;
  field.placeholder = "reason";
  free.append(field);
  by("choices").replaceChildren(
    ...link.facts.reasons.map(text => line(make("span", text), () => text)),
    line(free, () => field.value),
  );
  dialog.showModal();
}

function button(text, name, work) {
  const made = make("button", text, name);
  made.type = "button";
  made.addEventListener("click", () => {
    made.blur();
    work(made);
  });
  return made;
}

function row(id) {
  const root = make("li");
  root.dataset.alarm = id;
  const mark = make("b", undefined, "priority");
  const title = make("span", undefined, "title");
  const text = make("p", undefined, "text");
  const buttons = make("span", undefined, "buttons");
  const seen = button("Acknowledge", "acknowledge", made => answer(id, "acknowledge", {}, made));
  const away = button("Shelve…", "shelve", () => shelve(id));
  const back = button("Put back", "unshelve", made => answer(id, "unshelve", {}, made));
  buttons.append(seen, away, back);
  root.append(mark, title, buttons, text);
  return { root, mark, title, text, buttons, seen, away, back };
}

function tell(alarm) {
  if (!rows.has(alarm.id)) rows.set(alarm.id, row(alarm.id));
  const line = rows.get(alarm.id);
  const now = serverNow();
  const shelved = alarm.shelved_until !== null;
  line.root.className = `${alarm.priority}${alarm.acked ? "" : " unseen"}`;
  put(line.mark, PRIORITY[alarm.priority].join(" "));
  const where = alarm.camera && alarm.camera !== own ? `${alarm.camera}: ` : "";
  const how = alarm.active ? (alarm.acked ? "acknowledged" : "NOT acknowledged") : "over, not acknowledged";
  const since = alarm.since ? ` · since ${when(alarm.since, now)} (${span(now - alarm.since)})` : "";
  const until = shelved
    ? `shelved until ${when(alarm.shelved_until, now, false)} by ${alarm.shelved_by}: ${alarm.shelve_reason}`
    : how;
  put(line.title, `${where}${until}${since}`);
  put(line.text, alarm.text || alarm.id);
  line.buttons.hidden = !answers();
  line.seen.hidden = alarm.acked || shelved;
  line.away.hidden = shelved;
  line.back.hidden = !shelved;
  return line.root;
}

// Lines are kept and only their words change, and none moves under the pointer: else a click would miss.
function list(where, alarms) {
  const wanted = alarms.map(tell);
  const held = where.matches(":hover") && wanted.every(line => !line.isConnected || line.parentNode === where);
  for (const line of [...where.children]) if (!wanted.includes(line)) line.remove();
  if (held) where.append(...wanted.filter(line => line.parentNode !== where));
  else if (wanted.some((line, index) => where.children[index] !== line)) where.append(...wanted);
}

export function tellAlarms() {
  const all = link.board ? link.board.alarms : [];
  const order = (a, b) =>
    a.acked - b.acked ||
    RANK[a.priority] - RANK[b.priority] ||
    (b.camera === own) - (a.camera === own) ||
    b.since - a.since;
  const shown = all.filter(alarm => alarm.shown).sort(order);
  const shelved = all.filter(alarm => alarm.shelved_until !== null);
  const hidden = all.filter(alarm => alarm.suppressed && alarm.shelved_until === null);
  list(by("active"), shown);
  list(by("shelved").querySelector("ol"), shelved);
  const unseen = shown.filter(alarm => !alarm.acked).length;
  put(by("count"), shown.length ? `${shown.length}${unseen ? `, ${unseen} not acknowledged` : ""}` : "");
  by("quiet").hidden = shown.length > 0;
  put(by("quiet"), lost() ? "Not known without connection." : "No alarm.");
  by("shelved").hidden = !shelved.length;
  put(by("shelved").querySelector("summary"), `${shelved.length} shelved`);
  by("suppressed").hidden = !hidden.length;
  put(by("suppressed"), `Not judged because of another alarm: ${hidden.map(alarm => alarm.id).join(", ")}`);
  by("alarms").classList.toggle("unseen", unseen > 0);
  for (const made of by("alarms").querySelectorAll("button")) made.classList.toggle("cut", lost());
  return unseen;
}

export function beginAlarms(camera) {
  own = camera;
  by("user").addEventListener("click", () => name(true));
  by("name").addEventListener("keydown", event => event.key === "Enter" && by("named").click());
  by("message").querySelector("button").addEventListener("click", () => say(""));
  for (const made of document.querySelectorAll("dialog .close")) {
    made.addEventListener("click", () => made.closest("dialog").close());
  }
}
