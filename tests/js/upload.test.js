import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { answerFetch, define, page, setOnline, settle } from "./browser.js";

const { UploadQueue } = await import("../../static/js/upload/queue.js");
const { audioOf, filesOfDrop } = await import("../../static/js/upload/files.js");
const { leftOutWords } = await import("../../static/js/upload/left_out.js");
const { isReachable, send } = await import("../../static/js/upload/send.js");

const file = (name, size = 10) => ({
  name,
  size,
  lastModified: 1,
  slice: (from, to) => ({ arrayBuffer: async () => new ArrayBuffer(Math.max(0, Math.min(to, size) - from)) }),
});

/** A queue whose files are sent when the test says what became of them. */
function held(options = {}) {
  const sent = new Map();
  const queue = new UploadQueue({
    send: (each, how) =>
      new Promise((resolve) => {
        sent.set(each.name, { resolve, ...how });
      }),
    isReachable: async () => true,
    ...options,
  });
  return { queue, sent };
}

const states = (queue) => queue.items.map((item) => item.state);

beforeEach(() => {
  mock.timers.reset();
  setOnline(true);
  page('<div id="csrf"><input value="token"></div>');
});

/* Queue ------------------------------------------------------------------------------------------------------------ */

test("two files travel at a time, and the next follows when one is done", async () => {
  const { queue, sent } = held();
  queue.add([file("a"), file("b"), file("c")]);
  assert.deepEqual(states(queue), ["sending", "sending", "waiting"]);
  sent.get("a").resolve({ kind: "done" });
  await settle();
  assert.deepEqual(states(queue), ["sent", "sending", "sending"]);
});

test("a pause lets files that travel arrive, stops large ones, and sends nothing more", async () => {
  const { queue, sent } = held();
  queue.add([file("a"), file("b"), file("c")]);
  sent.get("b").onSession("/uploads/1/");
  queue.pause();
  assert.equal(sent.get("a").signal.aborted, false);
  assert.equal(sent.get("b").signal.aborted, true);
  sent.get("a").resolve({ kind: "done" });
  sent.get("b").resolve({ kind: "aborted" });
  await settle();
  assert.deepEqual(states(queue), ["sent", "waiting", "waiting"]);
  queue.goOn();
  assert.deepEqual(states(queue), ["sent", "sending", "sending"]);
});

test("totals count bytes that arrived, and leave out files that failed", async () => {
  const { queue, sent } = held();
  queue.add([file("a", 100), file("b", 50), file("c", 25)]);
  sent.get("a").onBytes(40);
  sent.get("b").resolve({ kind: "failed", sentence: "Not audio." });
  await settle();
  assert.deepEqual(queue.totals, { files: 3, sent: 0, bytes: 125, sentBytes: 40, failed: 1 });
  assert.equal(queue.failed[0].sentence, "Not audio.");
});

test("a file whose bytes are all there is being checked", () => {
  const { queue, sent } = held();
  queue.add([file("a", 100)]);
  sent.get("a").onBytes(100);
  assert.deepEqual(states(queue), ["checking"]);
});

test("a server that asks for a pause gets it, for every file", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { queue, sent } = held();
  queue.add([file("a"), file("b"), file("c")]);
  sent.get("a").resolve({ kind: "later", afterS: 5 });
  await settle();
  assert.deepEqual(states(queue), ["waiting", "sending", "waiting"]);
  mock.timers.tick(4900);
  assert.deepEqual(states(queue), ["waiting", "sending", "waiting"]);
  mock.timers.tick(200);
  assert.deepEqual(states(queue), ["sending", "sending", "waiting"]);
});

test("who was signed out is told, and nothing more is sent until then", async () => {
  const { queue, sent } = held();
  const notes = [];
  queue.addEventListener("note", (event) => notes.push(event.detail));
  queue.add([file("a"), file("b"), file("c")]);
  sent.get("a").resolve({ kind: "refused", sentence: "Sign in." });
  await settle();
  assert.equal(queue.paused, true);
  assert.deepEqual(notes, ["Sign in."]);
  queue.goOn();
  assert.deepEqual(notes, ["Sign in.", ""]);
});

test("without connection the server is asked after 2, 4, 8, 15, 30 and again 30 s", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let asked = 0;
  const { queue, sent } = held({
    isReachable: async () => {
      asked += 1;
      return asked > 6;
    },
  });
  queue.add([file("a")]);
  sent.get("a").resolve({ kind: "lost" });
  await settle();
  assert.equal(queue.offline, true);
  for (const [turn, seconds] of [2, 4, 8, 15, 30, 30].entries()) {
    mock.timers.tick(seconds * 1000 - 1);
    await settle();
    assert.equal(asked, turn);
    mock.timers.tick(1);
    await settle();
    assert.equal(asked, turn + 1);
  }
  mock.timers.tick(30_000);
  await settle();
  assert.equal(queue.offline, false);
  assert.deepEqual(states(queue), ["sending"]);
});

test("a network that is back ends the wait at once", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { queue, sent } = held();
  queue.add([file("a")]);
  sent.get("a").resolve({ kind: "lost" });
  await settle();
  dispatchEvent(new Event("online"));
  await settle();
  assert.deepEqual(states(queue), ["sending"]);
});

test("a file that is lost four times though the server answers has failed", async () => {
  const { queue, sent } = held();
  queue.add([file("a")]);
  for (let loss = 0; loss < 4; loss += 1) {
    sent.get("a").resolve({ kind: "lost" });
    await settle();
    dispatchEvent(new Event("online"));
    await settle();
  }
  assert.deepEqual(states(queue), ["failed"]);
  queue.again(queue.failed);
  assert.deepEqual(states(queue), ["sending"]);
  assert.equal(queue.items[0].losses, 0);
});

test("what is given up is stopped, leaves the queue and makes room", async () => {
  const { queue, sent } = held();
  const given = [];
  queue.addEventListener("cancel", (event) => given.push(event.detail.file.name));
  queue.add([file("a"), file("b"), file("c")]);
  queue.cancel(queue.items[0]);
  assert.equal(sent.get("a").signal.aborted, true);
  sent.get("a").resolve({ kind: "aborted" });
  await settle();
  assert.deepEqual(given, ["a"]);
  assert.deepEqual(states(queue), ["sending", "sending"]);
});

test("a new round forgets what was sent and keeps what failed", async () => {
  const { queue, sent } = held();
  queue.add([file("a"), file("b")]);
  sent.get("a").resolve({ kind: "done" });
  sent.get("b").resolve({ kind: "failed", sentence: "No." });
  await settle();
  assert.equal(queue.busy, false);
  queue.add([file("c")]);
  assert.deepEqual(
    queue.items.map((item) => item.file.name),
    ["b", "c"],
  );
});

/* Files ------------------------------------------------------------------------------------------------------------ */

const entry = (name) => ({ name, isFile: true, file: (resolve) => resolve({ name }) });
const folder = (name, ...parts) => ({
  name,
  isFile: false,
  createReader: () => ({ readEntries: (resolve) => resolve(parts.shift() ?? []) }),
});

async function namesOf(drop) {
  const names = [];
  for await (const part of filesOfDrop(drop))
    names.push(
      ...part.files.map((each) => each.name),
      ...Array(part.unread).fill("!"),
      ...Array(part.hidden).fill("?"),
    );
  return names;
}

test("folders are read to the bottom, in as many turns as they need, and hidden ones are counted", async () => {
  const trash = folder(".trash", [entry("4.mp3")]);
  const deep = folder("album", [entry("1.mp3"), entry(".hidden")], [folder("cd 2", [entry("2.mp3")]), trash]);
  assert.deepEqual(await namesOf({ entries: [deep, entry("3.mp3")], plain: [] }), [
    "1.mp3",
    ".hidden",
    "2.mp3",
    "?",
    "3.mp3",
  ]);
});

test("a file or folder that cannot be read is counted", async () => {
  const broken = { name: "x", isFile: true, file: (_, reject) => reject(new Error("no")) };
  const locked = {
    name: "y",
    isFile: false,
    createReader: () => ({ readEntries: (_, reject) => reject(new Error("no")) }),
  };
  assert.deepEqual(await namesOf({ entries: [broken, locked], plain: [] }), ["!", "!"]);
});

test("a browser without entries gives its plain files", async () => {
  assert.deepEqual(await namesOf({ entries: [], plain: [{ name: "a.mp3" }] }), ["a.mp3"]);
});

test("of a folder audio is sent, and the rest is counted by kind, whatever the case of its name", () => {
  const names = ["A.MP3", "cover.jpg", ".b.mp3", "c.flac", "mp3", "d.WMA", "e.wma", "f.ape"];
  const files = [...names.map((name) => ({ name })), { name: "g.mp3", webkitRelativePath: "music/.trash/g.mp3" }];
  const { audio, kinds, others } = audioOf(files, { taken: [".mp3", ".flac"], untaken: [".wma", ".ape"] });
  assert.deepEqual(
    audio.map(({ name }) => name),
    ["A.MP3", "c.flac"],
  );
  assert.deepEqual(Object.fromEntries(kinds), { ".wma": 2, ".ape": 1 });
  assert.equal(others, 4);
});

test("what is left out is said by kind", () => {
  const left = {
    taken: 1,
    kinds: new Map([
      [".ape", 1],
      [".wma", 2],
    ]),
    others: 12,
    hidden: 1,
    unread: 2,
  };
  assert.equal(
    leftOutWords(left),
    "3 files of formats that are not taken: 2 .wma, 1 .ape. 12 other files ignored. 1 hidden folder ignored. " +
      "2 files could not be read.",
  );
  const none = { taken: 0, kinds: new Map(), others: 1, hidden: 0, unread: 0 };
  assert.equal(leftOutWords(none), "Nothing of this folder can be sent. 1 other file ignored.");
  assert.equal(leftOutWords({ ...none, taken: 3, others: 0 }), "");
});

/* Sending ---------------------------------------------------------------------------------------------------------- */

/** Answers every XMLHttpRequest from a function of method, address and headers; returns the requests. */
function answerRequests(answer) {
  const asked = [];
  define(
    "FormData",
    class {
      append() {}
    },
  );
  define(
    "XMLHttpRequest",
    class extends EventTarget {
      upload = new EventTarget();
      headers = {};
      status = 0;
      responseText = "";
      open(method, url) {
        Object.assign(this, { method, url });
      }
      setRequestHeader(name, value) {
        this.headers[name] = value;
      }
      getResponseHeader(name) {
        return this.answer.headers?.[name] ?? null;
      }
      abort() {
        this.dispatchEvent(new Event("abort"));
      }
      send(body) {
        asked.push({ method: this.method, url: this.url, headers: this.headers, body });
        this.answer = answer(this.method, this.url, this.headers) ?? {};
        Object.assign(this, { status: this.answer.status ?? 0, responseText: this.answer.text ?? "" });
        this.dispatchEvent(new Event(this.status ? "load" : "error"));
      }
    },
  );
  return asked;
}

const MB = 1024 * 1024;
const options = (more = {}) => ({
  uploadUrl: "/uploads/",
  resumableUrl: "/resumable/",
  signal: new AbortController().signal,
  onBytes() {},
  onSession() {},
  ...more,
});

test("a small file goes in one request", async () => {
  const asked = answerRequests(() => ({ status: 202, text: '{"status_url": "/uploads/1/"}' }));
  assert.deepEqual(await send(file("a"), options()), { kind: "done", statusUrl: "/uploads/1/" });
  assert.deepEqual(
    asked.map(({ method, url }) => [method, url]),
    [["POST", "/uploads/"]],
  );
  assert.equal(asked[0].headers["X-CSRFToken"], "token");
});

test("answers of the server become verdicts", async () => {
  const verdicts = [
    [{ status: 0 }, { kind: "lost" }],
    [{ status: 503 }, { kind: "lost" }],
    [
      { status: 429, headers: { "Retry-After": "7" } },
      { kind: "later", afterS: 7 },
    ],
    [{ status: 429 }, { kind: "later", afterS: 5 }],
    [
      { status: 403, text: '{"detail": "Sign in."}' },
      { kind: "refused", sentence: "Sign in." },
    ],
    [
      { status: 415, text: '{"detail": "Not audio."}' },
      { kind: "failed", sentence: "Not audio." },
    ],
    [
      { status: 418, text: "<html>" },
      { kind: "failed", sentence: "The server answered 418." },
    ],
  ];
  for (const [answer, verdict] of verdicts) {
    answerRequests(() => answer);
    assert.deepEqual(await send(file("a"), options()), verdict);
  }
});

test("a file that can no longer be read has failed, and is not taken for a lost connection", async () => {
  const asked = answerRequests(() => ({ status: 202 }));
  const gone = {
    ...file("a"),
    slice: () => ({
      arrayBuffer: async () => {
        throw new Error("gone");
      },
    }),
  };
  assert.equal((await send(gone, options())).kind, "failed");
  assert.deepEqual(asked, []);
});

test("a large file goes in pieces from where an earlier try stopped", async () => {
  const large = file("b.flac", 10 * MB);
  const asked = answerRequests((method, _, headers) => {
    if (method === "GET")
      return {
        status: 200,
        text: JSON.stringify([
          { fingerprint: `${10 * MB}-1-b.flac`, size_bytes: 10 * MB, url: "/resumable/9/", offset_bytes: 4 * MB },
        ]),
      };
    const next = Math.min(Number(headers["Upload-Offset"]) + 4 * MB, 10 * MB);
    return {
      status: 204,
      headers: next === 10 * MB ? { "Upload-Status-Url": "/x" } : { "Upload-Offset": String(next) },
    };
  });
  const sessions = [];
  assert.deepEqual(await send(large, options({ onSession: (url) => sessions.push(url) })), {
    kind: "done",
    statusUrl: "/x",
  });
  assert.deepEqual(
    asked.filter(({ method }) => method === "PATCH").map(({ headers }) => Number(headers["Upload-Offset"]) / MB),
    [4, 8],
  );
  assert.equal(new Set(sessions).size, 1);
});

test("a session that the server forgot is begun again", async () => {
  const large = file("b.flac", 9 * MB);
  let begun = 0;
  answerRequests((method, url) => {
    if (method === "GET") return { status: 200, text: "[]" };
    if (method === "POST") {
      begun += 1;
      return { status: 201, headers: { Location: `http://other/resumable/${begun}/` } };
    }
    return url === "/resumable/1/" ? { status: 404 } : { status: 204, headers: { "Upload-Status-Url": "/x" } };
  });
  assert.deepEqual(await send(large, options()), { kind: "done", statusUrl: "/x" });
  assert.equal(begun, 2);
});

test("a session that never gets on is given up", async () => {
  const asked = answerRequests((method) => {
    if (method === "GET") return { status: 200, text: "[]" };
    if (method === "POST") return { status: 201, headers: { Location: "http://x/resumable/1/" } };
    return { status: 204, headers: { "Upload-Offset": "0" } };
  });
  assert.equal((await send(file("b", 9 * MB), options())).kind, "failed");
  assert.equal(asked.filter(({ method }) => method === "PATCH").length, 5);
});

test("a server is reachable whatever it answers", async () => {
  answerFetch(() => new Response(null, { status: 500 }));
  assert.equal(await isReachable("/x"), true);
  answerFetch(() => {
    throw new TypeError("no");
  });
  assert.equal(await isReachable("/x"), false);
});

/* Lyrics beside songs ---------------------------------------------------------------------------------------------- */

test("lyrics follow their song, whichever of them is found first, and the ones with times come first", async () => {
  const { LyricsBeside } = await import("../../static/js/upload/lyrics.js");
  const asked = answerFetch(() => new Response("{}"));
  const names = [];
  define(
    "FormData",
    class {
      append(_, _file, name) {
        names.push(name);
      }
    },
  );
  const beside = new LyricsBeside();
  const inFolder = (path, size = 9) => ({ name: path.split("/").at(-1), webkitRelativePath: path, size });
  beside.found(inFolder("x/a.lrc"));
  beside.found(inFolder("x/a.txt"));
  beside.sent(inFolder("x/a.mp3"), "/uploads/1/");
  beside.sent(inFolder("y/a.mp3"), "/uploads/2/");
  beside.sent(inFolder("x/b.flac"), "/uploads/3/");
  assert.deepEqual(
    asked.map(({ url }) => url),
    ["/uploads/1/lyrics/"],
  );
  assert.deepEqual(names, ["a.lrc"]);
  beside.found(inFolder("x/b.txt"));
  beside.found(inFolder("y/a.lrc", 10 * MB));
  assert.deepEqual(
    asked.slice(1).map(({ url }) => url),
    ["/uploads/3/lyrics/"],
  );
});
