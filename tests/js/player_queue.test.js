import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { page, songList } from "./browser.js";

const { Queue, trackOf } = await import("../../static/js/player/queue.js");

const songs = (queue) => queue.tracks.map((track) => track.song).join("");
let queue;

beforeEach(() => {
  sessionStorage.clear();
  queue = new Queue();
  queue.fill(songList(["a", "b", "c", "d"], { playlist: "7" }), 1);
});

test("all addresses of a song lie below its own", () => {
  const row = songList(["a"], { played: ["a"] }).firstElementChild;
  const track = trackOf(row);
  assert.equal(track.src, "/songs/a/audio");
  assert.equal(track.feltUrl, "/songs/a/felt/");
  assert.equal(track.played, true);
  assert.equal(track.reason, "");
});

test("whoever signs in keeps the queue of a visitor, and finds none of another listener", () => {
  const signIn = (listener) => page(`<div id="csrf" data-listener="${listener}"></div>`);
  signIn("");
  queue.fill(songList(["a", "b"]), 0);
  signIn("ann");
  assert.equal(queue.adopt(), true);
  queue.save();
  assert.equal(songs(new Queue()), "ab");
  signIn("");
  assert.equal(queue.adopt(), false);
  assert.equal(songs(new Queue()), "");
  assert.equal(sessionStorage.getItem("moodplane.queue").includes("Song"), false);
});

test("after the last song comes none, or the first where the list repeats", () => {
  assert.equal(queue.nextIndex("off"), 2);
  queue.index = 3;
  assert.equal(queue.nextIndex("off"), -1);
  assert.equal(queue.nextIndex("all"), 0);
});

test("before the first song comes none, or the last where the list repeats", () => {
  assert.equal(queue.previousIndex("off"), 0);
  queue.index = 0;
  assert.equal(queue.previousIndex("off"), -1);
  assert.equal(queue.previousIndex("all"), 3);
});

test("an empty queue has no next song even where it repeats", () => {
  sessionStorage.clear();
  const empty = new Queue();
  assert.equal(empty.nextIndex("all"), -1);
  assert.equal(empty.current, undefined);
});

test("a new order of the playlist moves around the song that plays", () => {
  queue.reorder(songList(["d", "c", "b", "a"], { playlist: "7", played: ["b"] }));
  assert.equal(songs(queue), "dcba");
  assert.equal(queue.current.song, "b");
});

test("what plays keeps its place in an order from before it was known to play", () => {
  queue.reorder(songList(["a", "d", "c", "b"], { playlist: "7", played: ["a"] }));
  assert.equal(songs(queue), "abdc");
  assert.equal(queue.index, 1);
});

test("a song that left the list while it plays stands after those that were played", () => {
  queue.reorder(songList(["a", "c", "d"], { playlist: "7", played: ["a"] }));
  assert.equal(songs(queue), "abcd");
  assert.equal(queue.index, 1);
});

test("a song that was taken out stays out of every new order", () => {
  queue.remove(2);
  queue.reorder(songList(["d", "c", "b", "a"], { playlist: "7", played: ["b"] }));
  assert.equal(songs(queue), "dba");
});

test("taking out a song before the one that plays moves the place of it", () => {
  queue.remove(0);
  assert.equal(queue.current.song, "b");
  assert.equal(queue.index, 0);
});

test("the song that plays cannot be taken out, nor one that is not there", () => {
  queue.remove(1);
  queue.remove(9);
  assert.equal(songs(queue), "abcd");
});

test("moving songs keeps the song that plays", () => {
  queue.move(0, 3);
  assert.equal(songs(queue), "bcda");
  assert.equal(queue.current.song, "b");
  queue.move(0, 9);
  assert.equal(songs(queue), "bcda");
});

test("an order made by hand survives a new one of the playlist: songs that left go, new ones come last", () => {
  queue.move(0, 3);
  queue.reorder(songList(["a", "b", "e", "c"], { playlist: "7" }));
  assert.equal(songs(queue), "bcae");
  assert.equal(queue.current.song, "b");
});

test("shuffling puts the song that plays first, and ending it brings the list's order back", () => {
  queue.shuffle(true);
  assert.equal(queue.index, 0);
  assert.equal(queue.current.song, "b");
  assert.deepEqual([...songs(queue)].sort().join(""), "abcd");
  queue.shuffle(false);
  assert.equal(songs(queue), "abcd");
  assert.equal(queue.index, 1);
});

test("a seed draws the same order again, whatever else is in the list", () => {
  const many = [..."abcdefghijklmnop"];
  const order = (list, seed) => {
    const one = new Queue();
    one.fill(songList(list), -1);
    one.shuffled = true;
    one.tracks = [];
    one.seed = seed;
    one.reorder(songList(list));
    return songs(one);
  };
  assert.equal(order(many, 5), order(many.toReversed(), 5));
  assert.notEqual(order(many, 5), order(many, 6));
  assert.equal(order(many.slice(0, 8), 5), [...order(many, 5)].filter((song) => song < "i").join(""));
});

test("a reload finds the songs, the place and the second", () => {
  queue.savePosition(42.5, true);
  const again = new Queue();
  assert.equal(songs(again), "abcd");
  assert.equal(again.current.song, "b");
  assert.equal(again.timeS, 42.5);
  assert.equal(again.wasPlaying, true);
  assert.ok(Date.now() - again.savedAt < 5000);
});

test("what is stored and makes no sense is an empty queue", () => {
  sessionStorage.setItem("moodplane.queue", JSON.stringify({ tracks: "abc", index: 1 }));
  assert.equal(new Queue().index, -1);
  sessionStorage.setItem("moodplane.queue", JSON.stringify({ tracks: [{ song: "a" }], index: 4 }));
  assert.deepEqual(new Queue().tracks, []);
});

test("an index beyond the end and a queue without a song do not break shuffling", () => {
  sessionStorage.clear();
  const empty = new Queue();
  empty.shuffle(true);
  assert.equal(empty.index, -1);
});

test("a song plays next, or at the end, and is nowhere twice", () => {
  const [e, f] = [...songList(["e", "f"]).children].map(trackOf);
  assert.equal(queue.add([e], { next: true }), 1);
  assert.equal(songs(queue), "abecd");
  assert.equal(queue.current.song, "b");
  queue.add([f]);
  assert.equal(songs(queue), "abecdf");
  queue.add([trackOf(songList(["a"]).firstElementChild)], { next: true });
  assert.equal(songs(queue), "baecdf");
  assert.equal(queue.current.song, "b");
  assert.equal(queue.add([queue.current], { next: true }), 0);
  assert.equal(songs(queue), "baecdf");
});

test("what the listener added stays when the list gets a new order", () => {
  queue.add([trackOf(songList(["x"]).firstElementChild)], { next: true });
  queue.reorder(songList(["a", "b", "d"], { playlist: "7" }));
  assert.equal(songs(queue), "abxd");
  queue.fill(songList(["a", "b"]), 0);
  assert.deepEqual(queue.added, []);
});
