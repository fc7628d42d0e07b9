// The stream of what the board says, and whether it still comes.

export const SILENCE = 5; // seconds after which what is shown is called old

export const link = {
  facts: null, // what /facts told
  board: null, // the newest message
  came: null, // when it came
  why: "", // it did not, as the server said it
};

// A computer that slept may have stopped one of its clocks, and the other may be set: the larger time counts.
export const stamp = () => ({ steady: performance.now(), wall: Date.now() });

export function since(moment) {
  return Math.max(performance.now() - moment.steady, Date.now() - moment.wall, 0) / 1000;
}

export const lost = () => link.came === null || since(link.came) > SILENCE;

// Seconds since 1970 on the server, counted on from the newest message.
export const serverNow = () => (link.board ? link.board.now + since(link.came) : Date.now() / 1000);

const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds));

async function told(address, signal) {
  const answer = await fetch(address, { signal });
  if (!answer.ok) throw new Error(((await answer.text()) || String(answer.status)).trim());
  return answer;
}

// One connection, until it breaks, falls silent, or is late; says so by an error.
async function listen(take, stop) {
  let quiet = setTimeout(() => stop.abort(), SILENCE * 1000);
  try {
    link.facts = await (await told("/facts", stop.signal)).json();
    const answer = await told("/events", stop.signal);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let least = Infinity; // of the way here, up to a constant: how far the server's clock stands off
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(quiet);
      quiet = setTimeout(() => stop.abort(), SILENCE * 1000);
      text += value;
      const parts = text.split("\n\n");
      text = parts.pop();
      if (!parts.length) continue;
      const board = JSON.parse(parts.pop().replace(/^data: /, ""));
      const offset = performance.now() / 1000 - board.now;
      least = Math.min(least, offset);
      if (offset - least > SILENCE) return; // messages wait on their way: a new connection has none
      link.board = board;
      link.came = stamp();
      link.why = "";
      take();
    }
  } finally {
    clearTimeout(quiet);
    stop.abort();
  }
}

// For ever. A page that nobody sees lets go, so that other pages of this browser can connect.
export async function follow(take) {
  for (;;) {
    if (!document.hidden) {
      const stop = new AbortController();
      const hide = () => document.hidden && stop.abort();
      document.addEventListener("visibilitychange", hide);
      try {
        await listen(take, stop);
      } catch (error) {
        link.why = error instanceof TypeError || error.name === "AbortError" ? "" : error.message;
      }
      document.removeEventListener("visibilitychange", hide);
    }
    if (document.hidden) {
      await new Promise(done => document.addEventListener("visibilitychange", done, { once: true }));
    } else {
      await pause(1000);
    }
  }
}

export async function ask(address) {
  return (await told(address, AbortSignal.timeout(15000))).json();
}

export async function post(address, body) {
  const headers = { "x-kilnsense": "monitor", "content-type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(15000) };
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("The monitor did not answer; look whether it was done, and do it again if not.");
  }
  if (!answer.ok) throw new Error((await answer.text()).trim());
}
