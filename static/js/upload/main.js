/* The curator's upload page: several files and whole folders, each with its own progress.
 *
 * Each file travels by itself, so one that fails takes no other with it. What becomes of a file after it was sent lives
 * in the database and is shown by the list below, which htmx keeps fresh. The queue outlives the page: boosted links
 * keep it, and coming back shows it again; only closing the tab ends it, and large files then go on where they stopped.
 */

import { closest, find, findAll } from "../shared/dom.js";
import { say } from "../shared/requests.js";
import { audioOf, dropped, filesOfDrop, stemOf } from "./files.js";
import { leftOutWords } from "./left_out.js";
import { LyricsBeside } from "./lyrics.js";
import { UploadQueue } from "./queue.js";
import { discard, isReachable, send } from "./send.js";
import { UploadView } from "./view.js";

const TELL_EVERY_MS = 1000;

/** @type {UploadPlaces} */
let places;
const queue = new UploadQueue({
  send: (file, options) =>
    send(file, {
      ...places,
      ...options,
      onSession: (url) => {
        forgetUnfinished(url);
        options.onSession(url);
      },
    }),
  isReachable: () => isReachable(places.resumableUrl),
});
const view = new UploadView(queue);
const beside = new LyricsBeside();
queue.addEventListener("sent", (event) => {
  const { file, statusUrl } = /** @type {CustomEvent<UploadItem>} */ (event).detail;
  if (statusUrl) beside.sent(file, statusUrl);
});

/** Lets the list of what became of the files ask again, at most once a second however fast small files go. */
let telling = false;
queue.addEventListener("sent", () => {
  if (telling) return;
  telling = true;
  setTimeout(() => {
    telling = false;
    document.body.dispatchEvent(new CustomEvent("uploads-changed"));
  }, TELL_EVERY_MS);
});

/**
 * A file being sent is no longer left over from an earlier visit.
 * @param {string} url
 */
function forgetUnfinished(url) {
  const left = document.querySelector(`[data-session-url="${CSS.escape(url)}"]`);
  if (!left) return;
  const section = left.closest("section");
  left.remove();
  if (!section?.querySelector("[data-session-url]")) section?.remove();
}

/**
 * @param {HTMLFormElement} form
 * @param {Iterable<UploadPart> | AsyncIterable<UploadPart>} parts
 */
async function take(form, parts) {
  const { audioSuffixes = "", untakenSuffixes = "" } = form.dataset;
  const suffixes = { taken: audioSuffixes.split(" "), untaken: untakenSuffixes.split(" ") };
  /** @type {LeftOut} */
  const left = { taken: 0, kinds: new Map(), others: 0, hidden: 0, unread: 0 };
  const songs = new Set();
  const words = [];
  for await (const part of parts) {
    left.unread += part.unread;
    left.hidden += part.hidden;
    const { audio, lyrics, kinds, others } = part.fromFolder
      ? audioOf(part.files, suffixes)
      : { audio: part.files, lyrics: [], kinds: new Map(), others: 0 };
    if (audio.length) queue.add(audio);
    for (const file of audio) songs.add(stemOf(file));
    for (const file of lyrics) {
      words.push(stemOf(file));
      beside.found(file);
    }
    left.taken += audio.length;
    left.others += others;
    for (const [kind, n] of kinds) left.kinds.set(kind, (left.kinds.get(kind) ?? 0) + n);
  }
  left.others += words.filter((stem) => !songs.has(stem)).length;
  const sentence = leftOutWords(left);
  if (sentence) say(sentence);
}

/** @param {HTMLFormElement} form */
function mountForm(form) {
  const { uploadUrl = "", resumableUrl = "" } = form.dataset;
  places = { uploadUrl, resumableUrl };
  const files = find(form, "[data-upload-files]", HTMLInputElement);
  const folder = find(form, "[data-upload-folder]", HTMLInputElement);
  if ("webkitdirectory" in folder) find(form, "[data-upload-folder-field]").hidden = false;
  find(form, "[data-upload-submit]").hidden = true;
  for (const input of [files, folder]) {
    // The browser's own field names the chosen file, which is only of use where a submit button follows.
    input.classList.add("visually-hidden");
    const label = input.labels?.[0];
    if (label) label.className = input === files ? "button" : "button button--quiet";
    const read = () => {
      const chosen = [...(input.files ?? [])];
      input.value = "";
      if (chosen.length) take(form, [{ files: chosen, fromFolder: input === folder, unread: 0, hidden: 0 }]);
    };
    input.addEventListener("change", read);
    // On a slow network, files may have been chosen before this module listens.
    read();
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("is-over");
  });
  form.addEventListener("dragleave", () => form.classList.remove("is-over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("is-over");
    if (event.dataTransfer) take(form, filesOfDrop(dropped(event.dataTransfer)));
  });
}

/** Takes over the upload form of a page that was just shown. */
function mount() {
  for (const form of findAll(document, "form[data-upload]:not([data-mounted])", HTMLFormElement)) {
    form.dataset.mounted = "";
    view.mount(form.closest("main") ?? document);
    mountForm(form);
  }
}

// An answer for a list that is gone by now (a link was clicked, another group is shown) belongs nowhere. The element
// that asked receives the event even outside the page, where none reaches the document.
const guarded = new WeakSet();
document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  if (!elt.closest("#upload-live") || guarded.has(elt)) return;
  guarded.add(elt);
  elt.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.target === elt && !elt.isConnected) event.preventDefault();
  });
});

// A cancelled file should not stay on the server for days.
queue.addEventListener("cancel", (event) => {
  const { session, file } = /** @type {CustomEvent<UploadItem>} */ (event).detail;
  if (session) discard(file, places);
});

// Missing the form by an inch must not make the browser leave the page for the file.
for (const type of /** @type {const} */ (["dragover", "drop"])) {
  document.addEventListener(type, (event) => {
    if (document.querySelector("form[data-upload]") && event.dataTransfer?.types.includes("Files"))
      event.preventDefault();
  });
}

document.addEventListener("click", (event) => {
  const place = closest(event, "[data-compare-close]")?.closest(".upload-row__compare");
  if (!place) return;
  place.replaceChildren();
  document.getElementById(place.id.replace("compare-", "compare-link-"))?.focus();
});

// Boosted navigation keeps sending; closing the tab would not.
window.addEventListener("beforeunload", (event) => {
  if (queue.busy) event.preventDefault();
});

// A module runs once, but the page can be swapped in again and again.
document.addEventListener("htmx:load", mount);
mount();
