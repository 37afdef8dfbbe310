/* The service worker: what is answered without a line.
 *
 * Pages come from the network and are never kept: they say who somebody is. Without a line there is one page, of which the
 * copy says nothing of a person. Files of this version are kept under their hashed names, so that old and new never mix;
 * songs only where the listener chose so (kept.js).
 */

import { keptAt, SONGS } from "./kept.js";
import { answerRange } from "./ranges.js";

const SHELL = "moodplane-shell-";
const SOUND = /^\/songs\/\d+\/audio$/;
const BESIDE = /^\/songs\/\d+\/(?:cover|waveform\/)$/;

/**
 * @param {WorkerScope} scope
 * @param {{ version: string, shell: string[], page: string, signOut: string, sounds: boolean }} config
 */
export function start(scope, { version, shell, page, signOut, sounds }) {
  const name = SHELL + version;
  const files = new Set(shell);

  scope.addEventListener("install", (event) => {
    event.waitUntil(fill());
  });

  async function fill() {
    const cache = await caches.open(name);
    await Promise.all([cache.addAll(shell), copy()]);
  }

  /** Keeps the page, in the language and the theme of this browser. */
  async function copy() {
    const answer = await fetch(`${page}?copy`, { cache: "no-store" });
    if (!answer.ok || answer.redirected) throw new TypeError(`${page} answered ${answer.status}`);
    await (await caches.open(name)).put(page, answer);
  }

  scope.addEventListener("activate", (event) => {
    event.waitUntil(takeOver());
  });

  async function takeOver() {
    for (const each of await caches.keys()) if (each.startsWith(SHELL) && each !== name) await caches.delete(each);
    // Otherwise each page would wait for this worker to start.
    await scope.registration.navigationPreload?.enable();
    await scope.clients.claim();
  }

  scope.addEventListener("message", (event) => {
    if (event.data === "activate") scope.skipWaiting();
    if (event.data === "copy") event.waitUntil(copy().catch(() => {}));
  });

  scope.addEventListener("fetch", (event) => {
    const { request } = event;
    const { origin, pathname, search } = new URL(request.url);
    if (origin !== scope.location.origin) return;
    // The page that signs out forgets the songs as well; this holds even where it is closed at once.
    if (request.method === "POST" && pathname === signOut) event.waitUntil(caches.delete(SONGS));
    if (request.method !== "GET") return;
    if (files.has(pathname + search)) event.respondWith(file(request));
    else if (request.mode === "navigate" || pathname === page) event.respondWith(fresh(event));
    else if (sounds && SOUND.test(pathname)) event.respondWith(sound(request));
    else if (sounds && BESIDE.test(pathname)) event.respondWith(beside(request));
  });

  /** @param {Request} request */
  async function file(request) {
    return (await caches.match(request.url, { cacheName: name })) ?? fetch(request);
  }

  /** @param {WorkerFetchEvent} event */
  async function fresh(event) {
    try {
      return (await event.preloadResponse) ?? (await fetch(event.request));
    } catch (error) {
      const kept = await caches.match(page, { cacheName: name });
      if (kept) return kept;
      throw error;
    }
  }

  /** @param {Request} request */
  async function sound(request) {
    const range = request.headers.get("Range");
    const kept = await keptAt(request.url);
    if (kept) return answerRange(kept, range);
    try {
      return await fetch(request);
    } catch (error) {
      // Kept on another line, it may be here in another encoding.
      const other = await keptAt(request.url, { ignoreSearch: true });
      if (other) return answerRange(other, range);
      throw error;
    }
  }

  /** @param {Request} request */
  async function beside(request) {
    try {
      return await fetch(request);
    } catch (error) {
      const kept = await keptAt(request.url, { ignoreSearch: true });
      if (kept) return kept;
      throw error;
    }
  }
}
