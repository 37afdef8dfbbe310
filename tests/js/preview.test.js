import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { page, settle } from "./browser.js";

const { LENGTH_S, Preview } = await import("../../static/js/preview/preview.js");

/** An audio element without sound, whose play can be refused as a browser does before the first click. */
class Sound extends EventTarget {
  attributes = new Map();
  currentTime = 0;
  paused = true;
  volume = 1;
  refuses = false;
  get src() {
    return this.attributes.get("src") ?? "";
  }
  set src(src) {
    this.attributes.set("src", src);
    this.currentTime = Number(src.split("#t=")[1]);
  }
  removeAttribute(name) {
    this.attributes.delete(name);
  }
  load() {}
  pause() {
    this.paused = true;
  }
  async play() {
    if (this.refuses) throw new DOMException("no", "NotAllowedError");
    this.paused = false;
  }
}

let audio, preview, song, other;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setInterval"] });
  localStorage.clear();
  page(`<audio data-player-audio></audio>
    <li id="song" data-track data-href="/songs/1/" data-highlight="31.5"></li>
    <li id="other" data-track data-href="/songs/2/" data-highlight="0.0"></li>
    <li id="none" data-track data-href="/songs/3/"></li>`);
  // happy-dom plays nothing.
  Object.defineProperty(document.querySelector("audio"), "paused", { value: true, configurable: true });
  [song, other] = ["song", "other"].map((id) => document.getElementById(id));
  audio = new Sound();
  preview = new Preview(audio);
});

test("a preview begins at the highlight, quietly, and from silence", async () => {
  localStorage.setItem("moodplane.player", JSON.stringify({ level: 0.5 }));
  await preview.start(song);
  assert.equal(audio.src, "/songs/1/audio#t=31.5");
  assert.equal(audio.volume, 0);
  mock.timers.tick(750);
  assert.ok(audio.volume > 0.05 && audio.volume < 0.15);
  mock.timers.tick(2000);
  assert.ok(Math.abs(audio.volume - 0.2) < 0.001);
  assert.equal(preview.shown, song);
});

test("it ends after its half minute, softly, and lets go of the song", async () => {
  const ends = mock.fn();
  preview.addEventListener("end", ends);
  await preview.start(song);
  mock.timers.tick(2000);
  audio.currentTime = 31.5 + LENGTH_S;
  audio.dispatchEvent(new Event("timeupdate"));
  assert.equal(preview.shown, null);
  assert.equal(audio.paused, false);
  mock.timers.tick(300);
  assert.deepEqual([audio.paused, audio.src, ends.mock.callCount()], [true, "", 1]);
});

test("a second song takes the place of the first, and the same song goes on", async () => {
  await preview.start(song);
  audio.currentTime = 40;
  await preview.start(song);
  assert.equal(audio.currentTime, 40);
  await preview.start(other);
  mock.timers.tick(2000);
  assert.deepEqual([preview.shown, audio.src, audio.paused], [other, "/songs/2/audio#t=0.0", false]);
});

test("nothing sounds while the player plays or is muted, nor of a song without a highlight", async () => {
  await preview.start(document.getElementById("none"));
  localStorage.setItem("moodplane.player", JSON.stringify({ muted: true }));
  await preview.start(song);
  localStorage.clear();
  Object.defineProperty(document.querySelector("audio"), "paused", { value: false });
  await preview.start(song);
  assert.deepEqual([preview.shown, audio.src], [null, ""]);
});

test("a browser that refuses to sound, or a song that is gone, is no preview and no error", async () => {
  audio.refuses = true;
  await preview.start(song);
  await settle();
  assert.equal(preview.shown, null);
  audio.refuses = false;
  await preview.start(song);
  audio.dispatchEvent(new Event("error"));
  assert.equal(preview.shown, null);
});

test("where the volume is not the page's, there is no preview", async () => {
  const fixed = new Sound();
  Object.defineProperty(fixed, "volume", { get: () => 1, set: () => {} });
  const loud = new Preview(fixed);
  await loud.start(song);
  assert.deepEqual([loud.shown, fixed.src], [null, ""]);
});
