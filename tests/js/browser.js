/* A browser for unit tests: the globals of happy-dom, before the module under test is imported. */

import { Window } from "happy-dom";

const window = new Window({ url: "http://localhost/" });
// Node has these too, but its events do not travel through happy-dom's elements.
const OURS = ["Event", "EventTarget", "CustomEvent", "navigator", "localStorage", "sessionStorage", "DOMException"];

for (const name of Object.getOwnPropertyNames(window)) {
  if (name in globalThis && !OURS.includes(name)) continue;
  define(name, window[name]);
}
for (const name of [...OURS, "document", "location", "HTMLElement", "SVGElement"]) define(name, window[name]);
for (const name of ["addEventListener", "removeEventListener", "dispatchEvent"])
  define(name, window[name].bind(window));
define("window", window);

/** Sets a global, also one that Node defines as a getter. */
export function define(name, value) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

/** Answers requests of `fetch` from a function of the address and the options; returns the requests. */
export function answerFetch(answer) {
  const asked = [];
  define("fetch", async (url, options = {}) => {
    asked.push({ url: String(url), ...options });
    return answer(String(url), options);
  });
  return asked;
}

/** Lets the browser be online or not. */
export function setOnline(online) {
  define("navigator", { onLine: online });
}

/** Lets promises that wait for each other settle. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

/** Replaces the page's body. */
export function page(html) {
  document.body.innerHTML = html;
  return document.body;
}

/** Returns a list of songs as a page holds it. */
export function songList(songs, { playlist = "", played = [] } = {}) {
  const list = document.createElement("ol");
  list.dataset.playlist = playlist;
  list.dataset.pageUrl = playlist && `/playlists/${playlist}/`;
  for (const song of songs) {
    const row = document.createElement("li");
    Object.assign(row.dataset, { track: "", song, title: `Song ${song}`, href: `/songs/${song}/` });
    row.dataset.played = String(played.includes(song));
    list.append(row);
  }
  return list;
}
