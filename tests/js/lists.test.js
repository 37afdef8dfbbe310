/* Lists of songs and answers about them: order by dragging, progress, answers that wait, the waveform, the clock. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { answerFetch, define, page, settle, songList } from "./browser.js";

// What waits for a later try would keep the process waiting too.
mock.timers.enable({ apis: ["setTimeout"] });

const asked = [];
define("htmx", {
  ajax: (verb, url, context) => {
    asked.push({ verb, url, ...context });
  },
  process() {},
});
define("scrollBy", () => {});
define("requestAnimationFrame", () => 1);
define("cancelAnimationFrame", () => {});
page(
  '<div id="player" data-playlist="7" data-song="b"></div><div id="csrf" data-listener="ann"><input value="token"></div>',
);

await import("../../static/js/playlist/reorder.js");
await import("../../static/js/playlist/progress.js");
const { give, sendAnswers } = await import("../../static/js/rating/pending.js");
const { Waveform } = await import("../../static/js/player/waveform.js");
const { clock } = await import("../../static/js/player/view.js");

beforeEach(() => {
  asked.length = 0;
  localStorage.clear();
});

/* Order ------------------------------------------------------------------------------------------------------------ */

/** A list of four rows, each 50 pixels high, of which one is dragged. */
function dragged(index, { button = 0 } = {}) {
  const body = page(
    `<ol>${[1, 2, 3, 4].map((n) => `<li id="${n}"><i data-grip></i><form data-move action="/move/${n}/"></form></li>`).join("")}</ol>`,
  );
  const list = body.querySelector("ol");
  for (const row of list.children)
    row.getBoundingClientRect = () => ({ top: 100 + 50 * [...list.children].indexOf(row), height: 50 });
  const grip = list.children[index].querySelector("[data-grip]");
  grip.setPointerCapture = () => {};
  const frames = [];
  define("requestAnimationFrame", (frame) => frames.push(frame));
  tell(grip, "pointerdown", { button, clientY: 125 + 50 * index, pointerId: 1 });
  return {
    list,
    to(y) {
      tell(document, "pointermove", { clientY: y });
      for (const frame of frames.splice(0)) frame();
    },
    get order() {
      return [...list.children].map((row) => row.id).join("");
    },
  };
}

function tell(target, type, values = {}) {
  target.dispatchEvent(Object.assign(new Event(type, { bubbles: true }), values));
}

test("a dragged song stands before the first whose middle lies below the pointer", () => {
  const drag = dragged(0);
  drag.to(260);
  assert.equal(drag.order, "2314");
  drag.to(900);
  assert.equal(drag.order, "2341");
  tell(document, "pointerup");
  assert.deepEqual(
    asked.map(({ verb, url, values }) => [verb, url, values]),
    [["POST", "http://localhost/move/1/", { to: 4 }]],
  );
});

test("a song that is dropped where it was is not moved", () => {
  const drag = dragged(1);
  drag.to(900);
  drag.to(160);
  tell(document, "pointerup");
  assert.equal(drag.order, "1234");
  assert.deepEqual(asked, []);
});

test("Escape and a lost pointer bring the order back", () => {
  for (const end of [() => tell(document, "keydown", { key: "Escape" }), () => tell(document, "pointercancel")]) {
    const drag = dragged(0);
    drag.to(900);
    end();
    assert.equal(drag.order, "1234");
    assert.equal(drag.list.querySelector(".is-dragged"), null);
  }
  assert.deepEqual(asked, []);
});

test("an order that the server did not take is not shown", () => {
  const drag = dragged(0);
  drag.to(900);
  tell(document, "pointerup");
  drag.list.dispatchEvent(new CustomEvent("htmx:afterRequest", { detail: { successful: false } }));
  assert.equal(drag.order, "1234");
});

test("another mouse button drags nothing", () => {
  const drag = dragged(0, { button: 2 });
  drag.to(900);
  tell(document, "pointerup");
  assert.equal(drag.order, "1234");
});

/* Progress --------------------------------------------------------------------------------------------------------- */

test("a song counts as heard once it is over, and the rest is added up", () => {
  const body = page(
    '<div id="player" data-playlist="7" data-song="b"><audio></audio></div><progress data-heard-bar></progress><p data-heard-words></p>',
  );
  const list = songList(["a", "b", "c"], { playlist: "7", played: ["a"] });
  list.id = "playlist-items";
  for (const row of list.children) row.dataset.seconds = "1900";
  body.append(list);
  const words = body.querySelector("[data-heard-words]");
  body.querySelector("audio").dispatchEvent(new Event("playing"));
  assert.equal(body.querySelector("progress").value, 1);
  assert.equal(body.querySelector("progress").max, 3);
  assert.equal(words.textContent, "1 of 3 songs played, 1:03:20 left");
  assert.ok(list.children[1].classList.contains("is-played"));
  tell(list, "htmx:load", { detail: { elt: body } });
  assert.equal(words.textContent, "1 of 3 songs played, 1:03:20 left");
  body.querySelector("audio").dispatchEvent(new Event("ended"));
  assert.equal(words.textContent, "2 of 3 songs played, 31:40 left");
});

/* Answers that wait ------------------------------------------------------------------------------------------------ */

const answer = (song, value = "1") => ({
  song,
  url: `/songs/${song}/felt/`,
  title: `Song ${song}`,
  values: [["felt", value]],
});
const waiting = () => JSON.parse(localStorage.getItem("moodplane.felt.pending") ?? "[]");

function signIn(listener) {
  page(`<div id="csrf" data-listener="${listener}"><input value="token"></div>`);
}

const away = () => answerFetch(() => new Response("", { status: 503 }));
const json = (answer) => new Response(JSON.stringify(answer), { headers: { "Content-Type": "application/json" } });

test("answers wait, and are sent in the order in which they were given", async () => {
  signIn("ann");
  away();
  for (const [song, value] of [
    ["a", "1"],
    ["b", "2"],
    ["a", "3"],
  ])
    await give(answer(song, value));
  assert.equal(waiting().length, 3);
  const posted = answerFetch(() => json({ sentence: "Saved." }));
  await sendAnswers();
  assert.deepEqual(
    posted.map(({ url, body }) => `${url} ${body}`),
    ["a/felt/ felt=1", "b/felt/ felt=2", "a/felt/ felt=3"].map((sent) => `/songs/${sent}&csrfmiddlewaretoken=token`),
  );
  assert.deepEqual(waiting(), []);
});

test("what was sent is forgotten, told to the page and, where it waited, said", async () => {
  signIn("ann");
  const said = [];
  const toldSong = ({ detail }) => said.push([detail.song, detail.status, detail.said.sentence, detail.isLast]);
  document.addEventListener("moodplane:say", (event) => said.push(event.detail), { once: true });
  document.addEventListener("felt:said", toldSong);
  away();
  await give(answer("a"));
  answerFetch(() => json({ sentence: "Saved." }));
  await give(answer("b"));
  document.removeEventListener("felt:said", toldSong);
  assert.deepEqual(said, [
    ["a", 0, undefined, false],
    "The server is back: your answer for “Song a” was sent.",
    ["a", 200, "Saved.", true],
    ["b", 200, "Saved.", true],
  ]);
});

test("a server that is not well keeps all answers waiting, one that refuses drops the answer", async () => {
  signIn("ann");
  away();
  await give(answer("a"));
  await give(answer("b"));
  assert.equal(waiting().length, 2);
  answerFetch(() => new Response("", { status: 404 }));
  await sendAnswers();
  assert.deepEqual(waiting(), []);
});

test("a page in place of an answer means that nobody is signed in any more", async () => {
  signIn("ann");
  const told = [];
  document.addEventListener("felt:said", ({ detail }) => told.push(detail.status), { once: true });
  answerFetch(() => new Response("<html>", { headers: { "Content-Type": "text/html" } }));
  await give(answer("a"));
  assert.deepEqual(told, [403]);
});

test("an answer of another listener waits for them", async () => {
  signIn("ann");
  away();
  await give(answer("a"));
  signIn("bob");
  const posted = answerFetch(() => json({}));
  await sendAnswers();
  assert.deepEqual(posted, []);
  assert.equal(waiting().length, 1);
});

test("at most fifty answers wait", async () => {
  signIn("ann");
  away();
  for (let song = 0; song < 60; song += 1) await give(answer(`s${song}`));
  assert.equal(waiting().length, 50);
  assert.equal(waiting()[0].song, "s10");
});

/* Waveform and clock ----------------------------------------------------------------------------------------------- */

async function opened(data) {
  define(
    "ResizeObserver",
    class {
      observe() {}
    },
  );
  const body = page("<div><svg></svg></div>");
  const svg = body.querySelector("svg");
  Object.defineProperty(svg, "clientWidth", { value: 30 });
  const wave = new Waveform(svg);
  answerFetch(() => new Response(JSON.stringify(data)));
  await wave.open({ song: String(Math.random()), waveformUrl: "/w" });
  await settle();
  return { wave, paths: [...svg.children] };
}

const DATA = {
  duration_s: 100,
  peaks: Array.from({ length: 100 }, (_, at) => (at === 42 ? 255 : 0)),
  sections: [
    { start_s: 0, end_s: 60, label: "Calm", quadrant: "Q4", confidence: 0.7 },
    { start_s: 60, end_s: 100, label: "Tense", quadrant: "Q2", confidence: 0.25 },
  ],
};

test("a moment of a song is named by its section, also past the end", async () => {
  const { wave } = await opened(DATA);
  assert.deepEqual(
    [0, 59.9, 60, 500].map((timeS) => wave.nameAt(timeS)),
    ["Calm", "Calm", "Tense", "Tense"],
  );
  assert.equal(wave.wordsAt(10), "Calm, 70 % sure");
});

test("ten bars show a hundred values by the loudest of each ten, coloured by section and certainty", async () => {
  const { paths } = await opened(DATA);
  assert.equal(paths.length, 2);
  assert.match(paths[0].getAttribute("class"), /wave__part--q4/);
  const heights = paths.flatMap((path) =>
    [...path.getAttribute("d").matchAll(/v([\d.]+)/g)].map(([, height]) => Number(height)),
  );
  assert.deepEqual(heights, [6, 6, 6, 6, 98, 6, 6, 6, 6, 6]);
  assert.deepEqual(
    paths.map((path) => path.style.getPropertyValue("--sure")),
    ["100%", "20%"],
  );
});

test("a server that knows no waveform leaves the control empty", async () => {
  const { wave, paths } = await opened(null);
  assert.equal(wave.nameAt(10), "");
  assert.equal(paths.length, 1);
});

test("a time is minutes and two digits of seconds, and of an unknown length nothing", () => {
  assert.deepEqual([0, 5.9, 65, 3605, NaN, Infinity].map(clock), ["0:00", "0:05", "1:05", "60:05", "0:00", "0:00"]);
});
