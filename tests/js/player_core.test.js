import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { answerFetch, define, page, setOnline, settle, songList } from "./browser.js";

const { Player } = await import("../../static/js/player/core.js");
const { forgetFacts } = await import("../../static/js/player/facts.js");
const { TARGET_LUFS, gainDb, isInAlbum } = await import("../../static/js/player/loudness.js");
const { lineAt } = await import("../../static/js/player/lyrics.js");
const { sourceOf } = await import("../../static/js/player/formats.js");
const { loadSettings } = await import("../../static/js/player/settings.js");
const { Queue } = await import("../../static/js/player/queue.js");
const { Sound } = await import("../../static/js/player/sound.js");
const { Mender, causeOf } = await import("../../static/js/player/recovery.js");

/** An audio element without sound: it plays on request, and has a length. */
class Audio extends EventTarget {
  attributes = new Map();
  currentTime = 0;
  duration = 200;
  paused = true;
  ended = false;
  error = null;
  readyState = 4;
  volume = 1;
  muted = false;
  get src() {
    return this.attributes.get("src");
  }
  set src(src) {
    this.attributes.set("src", src);
    this.currentTime = 0;
    this.error = null;
  }
  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }
  removeAttribute(name) {
    this.attributes.delete(name);
  }
  toggleAttribute() {}
  load() {}
  pause() {
    this.paused = true;
    this.tell("pause");
  }
  async play() {
    this.paused = false;
    this.tell("play");
    this.tell("playing");
  }
  tell(type) {
    this.dispatchEvent(new Event(type));
  }
  fail(code = 4) {
    this.error = { code };
    this.tell("error");
  }
}

let audio, standby, sound, queue, player, said, posted;

beforeEach(() => {
  mock.timers.reset();
  page('<div id="csrf"><input value="token"></div>');
  forgetFacts();
  sessionStorage.clear();
  localStorage.clear();
  setOnline(true);
  posted = answerFetch(() => new Response('{"changed": false}'));
  [audio, standby] = [new Audio(), new Audio()];
  sound = new Sound(audio, standby);
  queue = new Queue();
  queue.fill(songList(["a", "b", "c"], { playlist: "7" }), 0);
  player = new Player(queue, sound, loadSettings());
  said = [];
  player.addEventListener("say", (event) => said.push(event.detail));
});

const addresses = () => posted.filter(({ method }) => method === "POST").map(({ url }) => url);

/* Sound ------------------------------------------------------------------------------------------------------------ */

test("seeking stays inside the song", () => {
  sound.seek(-5);
  assert.equal(audio.currentTime, 0);
  sound.seek(500);
  assert.equal(audio.currentTime, 200);
});

test("seeking in a song of unknown length is not held back", () => {
  audio.duration = NaN;
  sound.seek(500);
  assert.equal(sound.durationS, 0);
  assert.equal(audio.currentTime, 500);
});

test("a volume stays between silence and full", () => {
  sound.set(1.4, false);
  assert.equal(sound.level, 1);
  sound.set(-1, true);
  assert.equal(sound.level, 0);
  assert.equal(audio.muted, true);
});

test("a song that was made ready is opened by changing places", () => {
  sound.open("/a");
  sound.prepare("/b");
  sound.open("/b");
  assert.equal(sound.audio, standby);
  assert.equal(audio.getAttribute("src"), null);
});

test("the power of two songs that fade into each other stays the same", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  let now = 0;
  mock.method(performance, "now", () => now);
  sound.open("/a");
  await sound.crossfade("/b", 4);
  for (let step = 1; step <= 99; step += 1) {
    now = step * 40;
    mock.timers.tick(40);
    assert.ok(sound.fading);
    assert.ok(Math.abs(audio.volume ** 2 + standby.volume ** 2 - 1) < 1e-9);
  }
  now = 4000;
  mock.timers.tick(40);
  assert.equal(sound.fading, false);
  assert.equal(standby.volume, 1);
  mock.restoreAll();
});

test("a pause holds a fade, and seeking ends it", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  let now = 0;
  mock.method(performance, "now", () => now);
  sound.open("/a");
  await sound.crossfade("/b", 2);
  sound.pause();
  now = 60_000;
  mock.timers.tick(60_000);
  assert.equal(sound.fading, true);
  sound.seek(3);
  assert.equal(sound.fading, false);
  mock.restoreAll();
});

/* What plays ------------------------------------------------------------------------------------------------------- */

test("a song that plays is reported once, until another one is opened", async () => {
  player.open();
  await player.play();
  player.pause();
  await player.play();
  assert.deepEqual(addresses(), ["/songs/a/played/"]);
  player.next();
  await settle();
  assert.deepEqual(addresses(), ["/songs/a/played/", "/songs/a/skipped/", "/songs/b/played/"]);
});

test("back leads to the beginning first, and only from there to the song before", () => {
  player.jump(1, { playing: false });
  audio.currentTime = 30;
  player.previous();
  assert.equal(queue.index, 1);
  assert.equal(audio.currentTime, 0);
  player.previous();
  assert.equal(queue.index, 0);
});

test("back from the first song is its beginning", () => {
  player.open();
  audio.currentTime = 2;
  player.previous();
  assert.equal(queue.index, 0);
  assert.equal(audio.currentTime, 0);
});

test("a song that ends leads to the next, and the last one ends the list", async () => {
  player.open();
  await player.play();
  audio.tell("ended");
  await settle();
  assert.equal(queue.index, 1);
  queue.index = 2;
  player.open();
  await player.play();
  sound.audio.tell("ended");
  await settle();
  assert.equal(player.wanted, false);
  assert.equal(said.at(-1), "That was the last song of the list.");
  assert.ok(addresses().includes("/songs/c/completed/"));
});

test("a song that repeats begins again", async () => {
  player.settings.change({ repeat: "one" });
  player.open();
  await player.play();
  audio.currentTime = 199;
  audio.tell("ended");
  await settle();
  assert.equal(queue.index, 0);
  assert.equal(audio.currentTime, 0);
  assert.equal(audio.paused, false);
});

test("repeating goes from off over the list to the song and back, and is remembered", () => {
  const seen = [1, 2, 3].map(() => {
    player.repeat();
    return player.settings.repeat;
  });
  assert.deepEqual(seen, ["all", "one", "off"]);
  player.repeat();
  player.setVolume(0.25);
  assert.equal(loadSettings().repeat, "all");
  assert.equal(loadSettings().level, 0.25);
});

test("a browser that asks for a click stops, and says so", async () => {
  player.open();
  audio.play = async () => {
    throw new DOMException("no", "NotAllowedError");
  };
  await player.play();
  assert.equal(player.wanted, false);
  assert.match(said.at(-1), /Press play/);
});

test("the next song is made ready shortly before the end, and not where data is saved", () => {
  player.open();
  audio.currentTime = 170;
  audio.tell("timeupdate");
  assert.equal(standby.getAttribute("src"), null);
  audio.currentTime = 185;
  navigator.connection = { saveData: true };
  audio.tell("timeupdate");
  assert.equal(standby.getAttribute("src"), null);
  navigator.connection = undefined;
  audio.tell("timeupdate");
  assert.equal(standby.getAttribute("src"), "/songs/b/audio");
});

test("the second is kept every two seconds", () => {
  player.open();
  audio.currentTime = 1;
  audio.tell("timeupdate");
  assert.equal(queue.timeS, 0);
  audio.currentTime = 2.5;
  audio.tell("timeupdate");
  assert.equal(queue.timeS, 2.5);
});

/* What follows a list ---------------------------------------------------------------------------------------------- */

const followers = (...songs) => songs.map((song) => ({ ...queue.tracks[0], song, href: `/songs/${song}/` }));

test("a list that ends goes on, with what was chosen shortly before", async () => {
  const asked = [];
  player.more = async () => {
    asked.push(queue.tracks.map(({ song }) => song).join(""));
    return followers("x", "y");
  };
  player.jump(2, { playing: false });
  await player.play();
  audio.currentTime = 150;
  audio.tell("timeupdate");
  await settle();
  assert.deepEqual(asked, []);
  assert.ok(player.hasNext);
  audio.currentTime = 170;
  audio.tell("timeupdate");
  audio.tell("timeupdate");
  await settle();
  assert.deepEqual(asked, ["abc"]);
  assert.deepEqual(
    queue.tracks.map(({ song, more = false }) => [song, more]),
    [
      ["a", false],
      ["b", false],
      ["c", false],
      ["x", true],
      ["y", true],
    ],
  );
  audio.tell("ended");
  await settle();
  assert.equal(queue.current.song, "x");
  // A new order of the list leaves what follows it.
  queue.reorder(songList(["c", "a"], { playlist: "7", played: ["c", "a"] }));
  assert.deepEqual([queue.tracks.map(({ song }) => song).join(""), queue.current.song], ["caxy", "x"]);
});

test("the next song is asked for where there is none yet, and a list without followers ends", async () => {
  player.more = async () => followers("x");
  player.jump(2);
  await player.next();
  assert.equal(queue.current.song, "x");
  player.more = async () => [];
  await player.next();
  assert.equal(queue.current.song, "x");
  assert.equal(player.hasNext, false);
  sound.audio.tell("ended");
  await settle();
  assert.equal(said.at(-1), "That was the last song of the list.");
});

test("a server that does not answer ends no list for good, and is not asked all the time", async (t) => {
  let now = 1_000_000;
  t.mock.method(Date, "now", () => now);
  let asked = 0;
  player.more = async () => {
    asked += 1;
    return asked > 1 ? followers("x") : null;
  };
  player.jump(2);
  await player.next();
  await player.next();
  assert.deepEqual([asked, queue.current.song, player.hasNext], [1, "c", true]);
  now += 6000;
  await player.next();
  assert.deepEqual([asked, queue.current.song], [2, "x"]);
});

test("a journey ends where it arrives, and so does what is switched off, repeats or is compared", () => {
  player.jump(2, { playing: false });
  assert.ok(player.goesOn);
  queue.kind = "journey";
  assert.equal(player.goesOn, false);
  player.settings.change({ endlessJourneys: true, endless: false });
  assert.ok(player.goesOn);
  queue.kind = "mood";
  assert.equal(player.goesOn, false);
  player.settings.change({ endless: true, repeat: "all" });
  assert.equal(player.goesOn, false);
  player.settings.change({ repeat: "off" });
  queue.kind = "comparison";
  assert.equal(player.goesOn, false);
});

test("a queue that never ends does not grow for ever", () => {
  for (let n = 0; n < 60; n += 1) {
    queue.extend(followers(`${n}x`, `${n}y`));
    queue.index = queue.tracks.length - 1;
  }
  queue.extend(followers("last"));
  assert.equal(queue.tracks.length, 102);
  assert.equal(queue.current.song, "59y");
});

/* Sleep ------------------------------------------------------------------------------------------------------------ */

test("at the end of the song the music stops, and the next one is ready", async () => {
  player.stopAfterSong = true;
  player.open();
  await player.play();
  audio.currentTime = 199.5;
  audio.tell("timeupdate");
  assert.equal(standby.getAttribute("src"), null);
  audio.paused = true;
  audio.tell("ended");
  await settle();
  assert.deepEqual([queue.index, player.wanted, sound.paused, player.stopAfterSong], [1, false, true, false]);
  // After the last one of a list that repeats, the first is ready.
  player.settings.change({ repeat: "all" });
  player.jump(2, { playing: false });
  player.stopAfterSong = true;
  audio.tell("ended");
  await settle();
  assert.deepEqual([queue.index, player.wanted], [0, false]);
});

test("the music fades below the volume, which stays", () => {
  player.setVolume(0.5);
  sound.dim(0.5);
  assert.deepEqual([audio.volume, sound.level], [0.25, 0.5]);
  sound.dim(1);
  assert.equal(audio.volume, 0.5);
});

/* How loud --------------------------------------------------------------------------------------------------------- */

/** A loud song of a quiet album. */
const measured = { lufs: -9, peak_db: 0.5, album_lufs: -12, album_peak_db: 0.8 };

test("every song is led to one loudness, or keeps its place in its album", () => {
  assert.equal(gainDb(measured, "song", true), TARGET_LUFS + 9);
  assert.equal(gainDb(measured, "album", true), TARGET_LUFS + 12);
  assert.equal(gainDb(measured, "album", false), TARGET_LUFS + 9, "a song on its own");
  assert.equal(gainDb(measured, "off", true), 0);
  assert.equal(gainDb({ ...measured, album_lufs: null }, "album", true), TARGET_LUFS + 9);
});

test("no gain leads a peak above the ceiling, and songs that nobody measured are lowered", () => {
  assert.equal(gainDb({ lufs: -26, peak_db: -4 }, "song", false), 3);
  assert.equal(gainDb({ lufs: -26, peak_db: -12 }, "song", false), 8);
  assert.equal(gainDb({ lufs: -18.5, peak_db: 1.5 }, "song", false), -2.5);
  assert.equal(gainDb({ lufs: -26, peak_db: null }, "song", false), 0);
  assert.equal(gainDb({ lufs: null, peak_db: null }, "song", false), -6);
  assert.equal(gainDb(undefined, "song", false), -6);
});

test("a song is played among its album where the queue has another of it next to it, in its order", () => {
  const tracks = [{ album: "1" }, { album: "1" }, { album: "2" }, { album: "" }, { album: "" }];
  const inAlbum = (shuffled) => tracks.map((_, index) => isInAlbum({ tracks, shuffled }, index));
  assert.deepEqual(inAlbum(false), [true, true, false, false, false]);
  assert.ok(!inAlbum(true).includes(true));
});

test("a song begins at its level, which an element alone can only lower and a mixer can raise", async () => {
  answerFetch(
    (url) => new Response(JSON.stringify({ loudness: { lufs: url.includes("/a/") ? -24 : -4, peak_db: -9 } })),
  );
  player.open();
  await player.play();
  assert.equal(audio.volume, 1);
  player.next();
  await settle();
  await settle();
  assert.ok(Math.abs(sound.audio.volume - 10 ** (-14 / 20)) < 1e-9);
  player.setVolume(0.5);
  assert.ok(Math.abs(sound.audio.volume - 0.5 * 10 ** (-14 / 20)) < 1e-9);
  const set = new Map();
  const nothing = { wake() {}, rest() {}, hold() {}, clear() {} };
  const setVolume = (level) => set.set("volume", level);
  sound.makeMixer = () => ({ ...nothing, setVolume, set: (element, gain) => set.set(element, gain) });
  player.previous();
  await settle();
  assert.ok(Math.abs(set.get(sound.audio) - 10 ** (6 / 20)) < 1e-9);
  assert.deepEqual([sound.audio.volume, set.get("volume")], [1, 0.5]);
  player.mute();
  assert.deepEqual([sound.audio.muted, set.get("volume")], [false, 0]);
  player.settings.change({ levelling: "off" });
  player.tell("settings");
  assert.equal(set.get(sound.audio), 1);
});

test("a song does not wait long for a server that keeps its level to itself", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  define("fetch", () => new Promise(() => {}));
  player.open();
  const begun = player.play();
  await settle();
  assert.equal(audio.paused, true);
  mock.timers.tick(400);
  await begun;
  assert.equal(audio.paused, false);
  assert.ok(Math.abs(audio.volume - 10 ** (-6 / 20)) < 1e-9);
});

/* Without a gap ---------------------------------------------------------------------------------------------------- */

/** A mixer whose next song is heard when the test says so. */
function joining() {
  const mixer = { joins: true, told: [], wake() {}, rest() {}, set() {}, setVolume() {} };
  for (const name of ["hold", "clear"]) mixer[name] = (value) => mixer.told.push([name, value]);
  mixer.join = (_from, _to, leftS) =>
    new Promise((resolve) => {
      mixer.told.push(["join", leftS]);
      mixer.heard = resolve;
    });
  sound.makeMixer = () => mixer;
  return mixer;
}

async function nearTheEnd(leftS = 1) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const mixer = joining();
  player.open();
  await player.play();
  audio.currentTime = 200 - leftS;
  audio.tell("timeupdate");
  standby.readyState = 4;
  mock.timers.tick(1000 * (leftS - 0.5));
  return mixer;
}

test("the next song begins before its turn, and counts from when it is heard", async () => {
  const mixer = await nearTheEnd();
  assert.ok(sound.joining);
  assert.equal(standby.paused, false);
  assert.equal(sound.audio, audio);
  // What is heard goes on after the element has ended.
  audio.tell("ended");
  assert.equal(queue.index, 0);
  standby.currentTime = 0.28;
  mixer.heard(0.25);
  await settle();
  assert.deepEqual([queue.index, sound.audio, sound.joining], [1, standby, false]);
  assert.ok(Math.abs(sound.timeS - 0.03) < 1e-9);
  assert.equal(audio.getAttribute("src"), null);
  assert.deepEqual(addresses(), ["/songs/a/played/", "/songs/a/completed/", "/songs/b/played/"]);
  // The end of a late song is late, too.
  standby.ended = true;
  standby.tell("ended");
  assert.equal(queue.index, 1);
  mock.timers.tick(250);
  await settle();
  assert.equal(queue.index, 2);
});

test("of a song that is twice in the queue the one ahead follows", async () => {
  queue.index = 1;
  queue.extend([{ ...queue.tracks[0] }]);
  queue.remove(2);
  const mixer = await nearTheEnd();
  mixer.heard(0.25);
  await settle();
  assert.deepEqual([queue.tracks.map(({ song }) => song).join(""), queue.index], ["aba", 2]);
});

test("going elsewhere calls the next song back, as does an end that does not come", async () => {
  const mixer = await nearTheEnd();
  player.seek(20);
  assert.deepEqual([sound.joining, standby.paused, standby.currentTime, audio.currentTime], [false, true, 0, 20]);
  mixer.heard(null);
  await settle();
  assert.equal(queue.index, 0);
  audio.currentTime = 199;
  audio.tell("timeupdate");
  mock.timers.tick(700);
  assert.ok(sound.joining);
  mock.timers.tick(3000);
  assert.equal(sound.joining, false);
  assert.equal(queue.index, 0);
});

test("a pause holds a join", async () => {
  const mixer = await nearTheEnd();
  player.pause();
  assert.ok(standby.paused);
  assert.deepEqual(mixer.told.at(-1), ["hold", true]);
  await player.play();
  assert.equal(standby.paused, false);
  assert.ok(mixer.told.some(([name, value]) => name === "hold" && value === false));
});

/* Lyrics ----------------------------------------------------------------------------------------------------------- */

test("the line that is sung is the last one that has begun", () => {
  const times = [5, 9, 9, 12.5];
  assert.deepEqual(
    [0, 4.9, 5, 8.99, 9, 12.4, 12.5, 900].map((timeS) => lineAt(times, timeS)),
    [-1, -1, 0, 0, 2, 2, 3, 3],
  );
  assert.equal(lineAt([], 3), -1);
});

/* In which encoding ------------------------------------------------------------------------------------------------ */

// One browser for all: what it plays is asked once.
HTMLMediaElement.prototype.canPlayType = (type) => (type.includes("aiff") || type.includes("alac") ? "" : "maybe");

test("a song is converted where the browser cannot play it or the line is slow", () => {
  const track = { src: "/a", type: "audio/mpeg", bitRate: 320_000 };
  const aiff = { ...track, type: "audio/aiff", bitRate: 1_411_000 };
  const small = { ...track, bitRate: 112_000 };
  const old = { ...track, type: "", bitRate: 0 };
  const broken = { ...track, convert: true };
  const cases = [
    [track, { original: "/a", 128: "/a?as=opus-128", 96: "/a?as=opus-96" }],
    [aiff, { original: "/a?as=flac", 128: "/a?as=opus-128", 96: "/a?as=opus-96" }],
    [small, { original: "/a", 128: "/a", 96: "/a" }],
    [old, { original: "/a", 128: "/a?as=opus-128", 96: "/a?as=opus-96" }],
    [broken, { original: "/a?as=flac", 128: "/a?as=opus-128", 96: "/a?as=opus-96" }],
  ];
  for (const [song, wanted] of cases)
    for (const [quality, source] of Object.entries(wanted)) assert.equal(sourceOf(song, quality), source);
  for (const [connection, source] of [
    [undefined, "/a"],
    [{ effectiveType: "4g" }, "/a"],
    [{ effectiveType: "4g", saveData: true }, "/a?as=opus-96"],
    [{ effectiveType: "3g" }, "/a?as=opus-128"],
    [{ effectiveType: "slow-2g" }, "/a?as=opus-96"],
  ]) {
    navigator.connection = connection;
    assert.equal(sourceOf(track, "auto"), source);
  }
});

/* What goes wrong -------------------------------------------------------------------------------------------------- */

test("the answer to a HEAD request tells the cause", async () => {
  const causes = { 401: "denied", 403: "denied", 404: "gone", 410: "gone", 416: "changed" };
  Object.assign(causes, { 422: "unplayable", 429: "busy", 500: "broken", 503: "busy" });
  for (const [status, cause] of Object.entries(causes)) {
    const [asked] = [answerFetch(() => new Response(null, { status: Number(status) }))];
    assert.equal(await causeOf("/a", { timeS: 0, code: 4 }), cause, status);
    assert.equal(asked[0].method, "HEAD");
  }
  answerFetch(() => ({ redirected: true, status: 200, ok: true }));
  assert.equal(await causeOf("/a", { timeS: 0 }), "denied");
});

test("a file that is there is damaged at its beginning, and another one than before in its middle", async () => {
  answerFetch(() => new Response(null));
  assert.equal(await causeOf("/a", { timeS: 0, code: 4 }), "unplayable");
  assert.equal(await causeOf("/a", { timeS: 50, code: 4 }), "changed");
  assert.equal(await causeOf("/a", { timeS: 50, code: 3 }), "unplayable");
});

test("no answer is a silent server, or no network", async () => {
  answerFetch(() => {
    throw new TypeError("no");
  });
  assert.equal(await causeOf("/a", { timeS: 0 }), "silent");
  setOnline(false);
  assert.equal(await causeOf("/a", { timeS: 0 }), "offline");
});

async function playing(status) {
  mock.timers.enable({ apis: ["setTimeout"] });
  new Mender(player);
  player.open();
  await player.play();
  answerFetch(() => {
    if (!status) throw new TypeError("no");
    return new Response(null, { status });
  });
}

test("a silent server is asked again after 2, 5, 10, 20 and 30 s, then playing stops", async () => {
  await playing(0);
  const opened = [];
  const open = sound.open.bind(sound);
  sound.open = (...args) => {
    opened.push(args[0]);
    open(...args);
  };
  sound.play = async () => {};
  for (const [turn, waitMs] of [2000, 5000, 10000, 20000, 30000].entries()) {
    audio.fail();
    await settle();
    mock.timers.tick(waitMs - 1);
    assert.equal(opened.length, turn);
    mock.timers.tick(1);
    assert.equal(opened.length, turn + 1);
  }
  audio.fail();
  await settle();
  assert.equal(player.wanted, false);
  assert.match(said.at(-1), /Playback stopped\.$/);
});

test("songs that are gone are passed over, and the third in a row stops", async () => {
  await playing(404);
  sound.play = async () => {};
  for (const index of [1, 2]) {
    audio.fail();
    await settle();
    mock.timers.tick(1800);
    assert.equal(queue.index, index);
  }
  player.settings.change({ repeat: "all" });
  audio.fail();
  await settle();
  mock.timers.tick(60_000);
  assert.equal(queue.index, 2);
  assert.equal(player.wanted, false);
});

test("a file that the browser does not play after all is converted, once", async () => {
  await playing(200);
  sound.play = async () => {};
  audio.fail();
  await settle();
  assert.equal(audio.getAttribute("src"), "/songs/a/audio?as=flac");
  audio.fail();
  await settle();
  mock.timers.tick(1800);
  assert.equal(queue.index, 1);
});

test("a file that changed begins again once, and is passed over the second time", async () => {
  await playing(416);
  sound.play = async () => {};
  queue.timeS = 60;
  audio.fail();
  await settle();
  assert.equal(queue.index, 0);
  assert.equal(audio.error, null);
  audio.fail();
  await settle();
  mock.timers.tick(1800);
  assert.equal(queue.index, 1);
});

test("offline waits, and goes on at the same second when the network is back", async () => {
  await playing(200);
  queue.timeS = 60;
  setOnline(false);
  audio.fail();
  await settle();
  assert.match(said.at(-1), /You are offline/);
  setOnline(true);
  dispatchEvent(new Event("online"));
  assert.equal(audio.currentTime, 60);
  assert.equal(audio.paused, false);
});
