/* The songs that this device keeps: the bytes in a cache of their own, what they are in an index beside them.
 *
 * Both the pages and the service worker read it; pages write it, one at a time.
 */

import { store, stored } from "../shared/storage.js";

export const SONGS = "moodplane-songs";
const INDEX = "/offline/kept.json";
const CHOICE = "moodplane.kept";
const LOCK = "moodplane.kept";

/** Whether songs come from another host, which this one cannot answer for. */
export const isElsewhere = () => document.querySelector("#update[data-elsewhere]") !== null;

/** Returns whether this browser can keep songs here: it must be a page over HTTPS, or of the same machine. */
export const canKeep = () =>
  "caches" in globalThis && "locks" in navigator && "serviceWorker" in navigator && !isElsewhere();

/**
 * Returns how many bytes may be kept, none at first, and whose songs they are.
 * @returns {{ limit: number, listener: string }}
 */
export function choice() {
  const { limit = 0, listener = "" } = stored(localStorage, CHOICE);
  return { limit, listener };
}

/** @param {{ limit?: number, listener?: string }} values */
export function choose(values) {
  store(localStorage, CHOICE, { ...choice(), ...values });
}

/**
 * Returns what is kept for an address.
 * @param {string} url
 * @param {{ ignoreSearch?: boolean }} [options]
 */
export const keptAt = (url, options) => caches.match(url, { cacheName: SONGS, ...options });

/**
 * Returns the kept songs, the one that was played last first.
 * @returns {Promise<KeptSong[]>}
 */
export async function keptSongs() {
  return (await (await keptAt(INDEX))?.json()) ?? [];
}

/** @param {KeptSong[]} songs */
export const bytesOf = (songs) => songs.reduce((sum, song) => sum + song.bytes, 0);

/**
 * Keeps a song that plays, and lets go of those that were not played for longest until it has room.
 * @param {Track} track
 * @param {string} src the address of its sound, as the player has it
 * @returns {Promise<"kept" | "off" | "failed" | "large" | "full">}
 */
export async function keep(track, src) {
  const { limit, listener } = choice();
  if (!limit) return "off";
  // In whatever encoding it is here: a song is kept once.
  let before = (await keptSongs()).find((kept) => kept.track.song === track.song);
  if (before && !(await isSame(before))) {
    await (await caches.open(SONGS)).delete(before.src);
    before = undefined;
  }
  const got = before ? null : await fetched(src);
  if (!before && !got) return "failed";
  const beside = got ? await Promise.all([track.cover, track.waveformUrl].map(fetched)) : [];
  return navigator.locks.request(LOCK, async () => {
    // Meanwhile somebody may have signed out, or chosen otherwise.
    const now = choice();
    if (now.listener !== listener || !now.limit) return "off";
    const cache = await caches.open(SONGS);
    /** @type {KeptSong} */
    const entry = before ?? { track, src, bytes: got?.body.size ?? 0, etag: got?.etag };
    if (entry.bytes > now.limit) return "large";
    const others = (await keptSongs()).filter((kept) => kept.track.song !== track.song);
    let left = await roomMade(cache, others, now.limit - entry.bytes);
    try {
      if (got) left = await putWithRoom(cache, left, src, got);
      await write(cache, [entry, ...left]);
    } catch (error) {
      if (!isFull(error)) throw error;
      await cache.delete(src);
      return "full";
    }
    for (const [at, url] of [track.cover, track.waveformUrl].entries()) {
      const one = beside[at];
      // A picture without room is no reason to lose the song.
      if (one) await put(cache, url, one).catch(() => {});
    }
    return "kept";
  });
}

/**
 * Keeps no more than so many bytes from now on.
 * @param {number} limit
 */
export async function setLimit(limit) {
  choose({ limit });
  await navigator.locks.request(LOCK, async () => {
    if (!limit) {
      await caches.delete(SONGS);
      return;
    }
    const cache = await caches.open(SONGS);
    await write(cache, await roomMade(cache, await keptSongs(), limit));
  });
}

/** Lets go of every kept song. */
export async function forgetSongs() {
  await navigator.locks.request(LOCK, () => caches.delete(SONGS));
}

/**
 * Whether the server has still the same sound at the address; without an answer it counts as the same.
 * @param {KeptSong} song
 */
async function isSame(song) {
  try {
    const answer = await fetch(song.src, { method: "HEAD" });
    return !answer.ok || answer.headers.get("ETag") === song.etag;
  } catch {
    return true;
  }
}

/**
 * Returns a whole body; nothing where there is none, or one of which we may not know what it is.
 * @param {string} url
 */
async function fetched(url) {
  try {
    const answer = await fetch(url, { priority: "low" });
    if (answer.status !== 200) return null;
    const etag = answer.headers.get("ETag") ?? undefined;
    return { body: await answer.blob(), etag, type: answer.headers.get("Content-Type") ?? "" };
  } catch {
    return null;
  }
}

/** @typedef {NonNullable<Awaited<ReturnType<typeof fetched>>>} Got */

/**
 * @param {Cache} cache
 * @param {string} url
 * @param {Got} got
 */
async function put(cache, url, { body, type }) {
  const headers = { "Content-Type": type, "Content-Length": String(body.size), "Accept-Ranges": "bytes" };
  await cache.put(url, new Response(body, { headers }));
}

/** @param {unknown} error */
const isFull = (error) => error instanceof DOMException && error.name === "QuotaExceededError";

/**
 * Puts a song into the cache; where the device has no more room, songs make it, the oldest first.
 * @param {Cache} cache
 * @param {KeptSong[]} songs
 * @param {string} src
 * @param {Got} got
 * @returns {Promise<KeptSong[]>} the songs that are left
 * @throws {DOMException} There is no room even without them.
 */
async function putWithRoom(cache, songs, src, got) {
  const left = [...songs];
  for (;;) {
    try {
      await put(cache, src, got);
      return left;
    } catch (error) {
      const oldest = left.pop();
      if (!isFull(error) || !oldest) throw error;
      await drop(cache, oldest);
      await write(cache, left);
    }
  }
}

/**
 * Lets go of the songs that were not played for longest, until the others fit.
 * @param {Cache} cache
 * @param {KeptSong[]} songs
 * @param {number} limit
 */
async function roomMade(cache, songs, limit) {
  const left = [...songs];
  while (left.length && bytesOf(left) > limit) await drop(cache, /** @type {KeptSong} */ (left.pop()));
  return left;
}

/**
 * @param {Cache} cache
 * @param {KeptSong} song
 */
async function drop(cache, { src, track }) {
  await Promise.all([src, track.cover, track.waveformUrl].map((url) => cache.delete(url)));
}

/**
 * @param {Cache} cache
 * @param {KeptSong[]} songs
 */
async function write(cache, songs) {
  await cache.put(INDEX, new Response(JSON.stringify(songs), { headers: { "Content-Type": "application/json" } }));
}
