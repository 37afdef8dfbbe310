import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { answerFetch, define, page, settle } from "./browser.js";

/** Caches that hold what fits: a put beyond `room` bytes fails as it does on a full disk. */
class Caches {
  constructor() {
    this.byName = new Map();
    this.room = Infinity;
  }

  async open(name) {
    if (!this.byName.has(name)) this.byName.set(name, new FakeCache(this));
    return this.byName.get(name);
  }

  async keys() {
    return [...this.byName.keys()];
  }

  async delete(name) {
    return this.byName.delete(name);
  }

  async match(url, { cacheName, ...options }) {
    return this.byName.get(cacheName)?.match(url, options);
  }

  get bytes() {
    return [...this.byName.values()]
      .flatMap((cache) => [...cache.held.values()])
      .reduce((sum, { size }) => sum + size, 0);
  }
}

const pathOf = (url) => new URL(url.url ?? url, "http://localhost/").href.slice("http://localhost".length);

class FakeCache {
  constructor(caches) {
    Object.assign(this, { caches, held: new Map() });
  }

  async put(url, answer) {
    const body = await answer.blob();
    if (this.caches.bytes + body.size > this.caches.room) throw new DOMException("No room.", "QuotaExceededError");
    this.held.set(pathOf(url), { body, headers: answer.headers, size: body.size });
  }

  async match(url, { ignoreSearch = false } = {}) {
    const bare = (path) => (ignoreSearch ? path.split("?")[0] : path);
    const found = [...this.held].find(([path]) => bare(path) === bare(pathOf(url)));
    return found && new Response(found[1].body, { headers: found[1].headers });
  }

  async delete(url) {
    return this.held.delete(pathOf(url));
  }

  async addAll(urls) {
    for (const url of urls) await this.put(url, await fetch(url));
  }
}

define("caches", new Caches());
define("navigator", { onLine: true, locks: { request: async (_name, run) => run() }, serviceWorker: {} });
const { answerRange } = await import("../../static/js/offline/ranges.js");
const { bytesOf, choose, forgetSongs, keep, keptSongs, setLimit } = await import("../../static/js/offline/kept.js");
const { start } = await import("../../static/js/offline/worker.js");

const MB = 1000;
const track = (song) => ({
  song,
  title: `Song ${song}`,
  src: `/songs/${song}/audio`,
  cover: `/songs/${song}/cover`,
  waveformUrl: `/songs/${song}/waveform/`,
});
const keepSong = (song) => keep(track(song), `/songs/${song}/audio`);
const names = async () => (await keptSongs()).map((kept) => kept.track.song).join("");
const paths = async () => [...(await caches.open("moodplane-songs")).held.keys()].filter((path) => /audio/.test(path));

let etags;
let size;
let asked;

beforeEach(() => {
  define("caches", new Caches());
  localStorage.clear();
  page('<div id="csrf" data-listener=""></div>');
  [etags, size] = [{}, 2 * MB];
  asked = answerFetch((url, { method }) => {
    const song = /songs\/(\w+)\/audio/.exec(url)?.[1];
    const headers = { "Content-Type": song ? "audio/ogg" : "image/png", ETag: etags[song] ?? '"1"' };
    return new Response(method === "HEAD" ? null : new Uint8Array(song ? size : 10), { headers });
  });
});

// --- Parts of a song -------------------------------------------------------------------------------------------------

const whole = () => new Response("0123456789", { headers: { "Content-Type": "audio/ogg" } });

for (const [header, status, body, range] of [
  ["bytes=0-", 206, "0123456789", "bytes 0-9/10"],
  ["bytes=2-4", 206, "234", "bytes 2-4/10"],
  ["bytes=8-99", 206, "89", "bytes 8-9/10"],
  ["bytes=-3", 206, "789", "bytes 7-9/10"],
  ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
  ["bytes=10-", 416, "", "bytes */10"],
  ["bytes=-0", 416, "", "bytes */10"],
  ["bytes=5-2", 200, "0123456789", null],
  ["bytes=0-1,3-4", 200, "0123456789", null],
  ["bytes=-", 200, "0123456789", null],
  [null, 200, "0123456789", null],
]) {
  test(`${header} of ten bytes is answered as the server would`, async () => {
    const answer = await answerRange(whole(), header);
    assert.deepEqual([answer.status, answer.headers.get("Content-Range")], [status, range]);
    assert.equal(await answer.text(), body);
    assert.equal(answer.headers.get("Content-Type"), "audio/ogg");
    if (status === 206) assert.equal(answer.headers.get("Content-Length"), String(body.length));
  });
}

// --- What is kept -----------------------------------------------------------------------------------------------------

test("nothing is kept before the listener wants it", async () => {
  assert.equal(await keepSong("a"), "off");
  assert.deepEqual(asked, []);
});

test("the songs that were played last are kept, within the limit, each once", async () => {
  choose({ limit: 5 * MB });
  for (const song of ["a", "b", "a", "c"]) assert.equal(await keepSong(song), "kept");
  assert.equal(await names(), "ca");
  assert.deepEqual(await paths(), ["/songs/a/audio", "/songs/c/audio"]);
  assert.equal(bytesOf(await keptSongs()), 4 * MB);
  assert.equal(asked.filter(({ url, method }) => url.endsWith("/a/audio") && !method).length, 1);
  size = 6 * MB;
  assert.equal(await keepSong("d"), "large");
  assert.equal(await names(), "ca");
});

test("another encoding of a kept song is not kept beside it", async () => {
  choose({ limit: 9 * MB });
  await keepSong("a");
  await keep(track("a"), "/songs/a/audio?as=opus-96");
  assert.deepEqual(await paths(), ["/songs/a/audio"]);
});

test("other sound at the same address replaces what is kept", async () => {
  choose({ limit: 9 * MB });
  await keepSong("a");
  etags.a = '"2"';
  size = 3 * MB;
  await keepSong("a");
  assert.equal(bytesOf(await keptSongs()), 3 * MB);
});

test("where the device has no room, the oldest songs make it", async () => {
  choose({ limit: 100 * MB });
  caches.room = 5 * MB;
  for (const song of ["a", "b", "c"]) assert.equal(await keepSong(song), "kept");
  assert.equal(await names(), "cb");
  size = 6 * MB;
  assert.equal(await keepSong("d"), "full");
  assert.deepEqual([await names(), await paths()], ["", []]);
});

test("a smaller limit lets go of songs, none of all", async () => {
  choose({ limit: 9 * MB });
  for (const song of ["a", "b", "c"]) await keepSong(song);
  await setLimit(5 * MB);
  assert.equal(await names(), "cb");
  await setLimit(0);
  assert.deepEqual([await names(), await paths()], ["", []]);
});

test("a song that arrives after its listener has signed out is not kept", async () => {
  choose({ limit: 9 * MB, listener: "1" });
  const kept = keepSong("a");
  choose({ listener: "" });
  await forgetSongs();
  assert.equal(await kept, "off");
  assert.equal(await names(), "");
});

test("what the server does not give is not kept", async () => {
  choose({ limit: 9 * MB });
  answerFetch(() => new Response("sign in", { status: 403 }));
  assert.equal(await keepSong("a"), "failed");
});

// --- The service worker -----------------------------------------------------------------------------------------------

class Scope {
  constructor() {
    Object.assign(this, {
      location: { origin: "http://localhost" },
      registration: {},
      clients: { claim: async () => {} },
    });
    this.reactions = {};
  }

  addEventListener(type, react) {
    this.reactions[type] = react;
  }

  skipWaiting() {
    this.skipped = true;
  }

  /** Sends an event; returns its answer, nothing where the browser goes its own way. */
  async send(type, values = {}) {
    const waits = [];
    let answer;
    this.reactions[type]({
      ...values,
      waitUntil: (promise) => waits.push(promise),
      respondWith: (promise) => {
        answer = promise;
      },
    });
    await Promise.all(waits);
    return answer;
  }

  fetch(path, values = {}) {
    const request = {
      url: `http://localhost${path}`,
      method: "GET",
      mode: "no-cors",
      headers: new Headers(),
      ...values,
    };
    return this.send("fetch", { request, preloadResponse: Promise.resolve(undefined) });
  }
}

function worker(version = "1", sounds = true) {
  const scope = new Scope();
  start(scope, { version, shell: ["/static/a.js"], page: "/offline/", signOut: "/accounts/logout/", sounds });
  return scope;
}

const offline = () =>
  define("fetch", async () => {
    throw new TypeError("Failed to fetch");
  });

test("a new version keeps its files, and lets go of the old ones only when it takes over", async () => {
  await worker("1").send("install");
  const next = worker("2");
  await next.send("install");
  assert.deepEqual(await caches.keys(), ["moodplane-shell-1", "moodplane-shell-2"]);
  await next.send("message", { data: "activate" });
  assert.equal(next.skipped, true);
  await next.send("activate");
  assert.deepEqual(await caches.keys(), ["moodplane-shell-2"]);
  assert.ok(asked.some(({ url }) => url === "/offline/?copy"));
});

test("a version whose files do not all come is not installed", async () => {
  answerFetch((url) => new Response("", { status: url === "/offline/?copy" ? 503 : 200 }));
  await assert.rejects(worker().send("install"));
});

test("files of the version come from the device, pages from the network, and without it the one page", async () => {
  const scope = worker();
  await scope.send("install");
  asked.length = 0;
  await scope.fetch("/static/a.js");
  assert.deepEqual(asked, []);
  await scope.fetch("/me/", { mode: "navigate" });
  assert.equal(asked.length, 1);
  assert.equal((await caches.open("moodplane-shell-1")).held.size, 2, "no page is kept");
  offline();
  for (const path of ["/me/", "/songs/?q=x"])
    assert.equal((await scope.fetch(path, { mode: "navigate" })).headers.get("Content-Type"), "image/png");
  assert.equal(await scope.fetch("/static/b.js"), undefined);
  assert.equal(await scope.fetch("/api/v1/songs/"), undefined);
  assert.equal(await scope.fetch("/songs/1/felt/", { method: "POST" }), undefined);
});

test("a kept song answers in parts, without a line in whatever encoding, and other songs are asked for", async () => {
  choose({ limit: 9 * MB });
  await keepSong("7");
  const scope = worker();
  const headers = new Headers({ Range: "bytes=0-99" });
  assert.equal((await scope.fetch("/songs/7/audio", { headers })).status, 206);
  asked.length = 0;
  await scope.fetch("/songs/8/audio", { headers });
  await scope.fetch("/songs/7/audio?as=flac", { headers });
  assert.equal(asked.length, 2);
  offline();
  assert.equal((await scope.fetch("/songs/7/audio?as=flac", { headers })).status, 206);
  assert.equal((await scope.fetch("/songs/7/cover")).status, 200);
  await assert.rejects(scope.fetch("/songs/8/audio", { headers }));
  assert.equal(await worker("1", false).fetch("/songs/7/audio", { headers }), undefined, "it is on another host");
});

test("signing out takes the songs along", async () => {
  choose({ limit: 9 * MB });
  await keepSong("7");
  await worker().fetch("/accounts/logout/", { method: "POST", mode: "navigate" });
  await settle();
  assert.equal(await names(), "");
});
