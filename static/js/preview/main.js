/* Previews: resting on the cover of a song in a list or on its dot on the pad, pressing it long, or V with the focus on it.
 *
 * The pages describe songs for the player (track_attributes.html); those with a highlight can be heard here.
 */

import { closest, find, findAll } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";
import { store, stored } from "../shared/storage.js";
import { Preview, playerPlays } from "./preview.js";

const REST_MS = 600;
const PRESS_MS = 500;
const MOVED_PX = 10;
const SETTINGS = "moodplane.preview";
const SONG = "[data-track][data-highlight]";
const TYPED = "textarea, select, [contenteditable], input:not([type=range], [type=checkbox], [type=radio])";

const preview = new Preview();
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("moodplane.player") : null;
const said = document.createElement("p");
said.className = "visually-hidden";
said.setAttribute("role", "status");
document.body.append(said);

/** @type {{ on: boolean }} */
const settings = { on: true, ...stored(localStorage, SETTINGS) };
let timer = 0;
/** @type {{ x: number, y: number } | null} */
let pressed = null;

/** Returns whether a rest of the pointer may load music; who saves data is asked for a press or a key. */
function mayLoad() {
  return settings.on && !navigator.connection?.saveData && !matchMedia("(prefers-reduced-data: reduce)").matches;
}

/**
 * Starts in a while, unless `forget` comes before.
 * @param {HTMLElement} song
 * @param {number} ms
 */
function plan(song, ms) {
  clearTimeout(timer);
  timer = setTimeout(() => preview.start(song), ms);
}

function forget() {
  clearTimeout(timer);
  pressed = null;
  preview.stop();
}

preview.addEventListener("start", () => preview.shown?.setAttribute("data-previewed", ""));
preview.addEventListener("end", () => {
  for (const each of document.querySelectorAll("[data-previewed]")) each.removeAttribute("data-previewed");
  said.textContent = "";
});

// --- The pointer on a cover ---------------------------------------------------------------------------------------

/** @param {Event} event */
function songOfCover(event) {
  return /** @type {HTMLElement | null} */ (closest(event, `${SONG} > .cover`)?.closest(SONG) ?? null);
}

document.addEventListener("pointerover", (event) => {
  const song = songOfCover(event);
  if (song && event.pointerType === "mouse" && mayLoad()) plan(song, REST_MS);
});
document.addEventListener("pointerout", (event) => {
  if (event.pointerType === "mouse" && songOfCover(event)) forget();
});
document.addEventListener("pointerdown", (event) => {
  const song = songOfCover(event);
  if (event.pointerType === "mouse" || !event.isPrimary || !song || !settings.on) return;
  pressed = { x: event.clientX, y: event.clientY };
  plan(song, PRESS_MS);
});
document.addEventListener("pointermove", (event) => {
  if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > MOVED_PX) forget();
});
for (const type of ["pointerup", "pointercancel"])
  document.addEventListener(type, () => {
    if (pressed) forget();
  });
document.addEventListener("contextmenu", (event) => {
  // A long press asks for the picture's menu, too.
  if (pressed && songOfCover(event)) event.preventDefault();
});

// --- A dot on the pad ---------------------------------------------------------------------------------------------

/** @param {HTMLElement} card */
function songOfCard(card) {
  return card.hidden ? null : /** @type {HTMLElement | null} */ (card.querySelector(SONG));
}

/** @param {HTMLElement} card */
function cardChanged(card) {
  const song = songOfCard(card);
  forget();
  // Arrows on the sliders show songs, too; only a pointer that rests on one asks for it.
  if (song && card.closest("[data-plane]:hover") && mayLoad()) plan(song, REST_MS);
}

const cards = new MutationObserver(([{ target }]) => {
  if (target instanceof HTMLElement) cardChanged(target);
});
document.addEventListener("htmx:load", (event) => {
  for (const card of findAll(event.detail.elt, "[data-plane-card]"))
    cards.observe(card, { attributes: true, attributeFilter: ["hidden"] });
});

// --- The keyboard -------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || closest(event, TYPED)) return;
  if (event.key === "Escape" && preview.shown) preview.stop();
  const { letters = true } = stored(localStorage, "moodplane.player");
  if (event.key.toLowerCase() !== "v" || event.shiftKey || !letters) return;
  const card = /** @type {HTMLElement | null} */ (document.querySelector("[data-plane-card]:not([hidden])"));
  const song = closest(event, SONG) ?? (card && songOfCard(card));
  if (!song) return;
  event.preventDefault();
  if (preview.shown === song) {
    preview.stop();
    return;
  }
  clearTimeout(timer);
  if (playerPlays()) said.textContent = gettext("No preview while the player plays.");
  else preview.start(song).then(() => tell(song));
});

/** @param {HTMLElement} song */
function tell(song) {
  if (preview.shown !== song) return;
  said.textContent = interpolate(gettext("Preview: %(title)s"), { title: song.dataset.title ?? "" }, true);
}

// --- What ends it -------------------------------------------------------------------------------------------------

// Events of sound do not bubble, but they can be captured on their way.
document.addEventListener(
  "play",
  () => {
    clearTimeout(timer);
    preview.silence();
  },
  true,
);
channel?.addEventListener("message", () => preview.silence());
document.addEventListener("htmx:beforeSwap", forget);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) forget();
});
addEventListener("pagehide", () => preview.silence());

// --- The switch ---------------------------------------------------------------------------------------------------

const box = find(document, "[data-preview-switch]", HTMLInputElement);
box.checked = settings.on;
box.addEventListener("change", () => {
  settings.on = box.checked;
  store(localStorage, SETTINGS, { on: settings.on });
  if (!settings.on) forget();
});
