/* The player's entry: puts its pieces together and listens to the pages. Everything of it lies outside #main, so that it
 * lives on while pages change; pages describe songs in data attributes.
 */

import { closest, find, findAll } from "../shared/dom.js";
import { listener } from "../shared/requests.js";
import { loadSettings, Player } from "./core.js";
import { tellFormats } from "./formats.js";
import { attachMedia } from "./media.js";
import { attachNowPlaying } from "./now_playing.js";
import { Queue } from "./queue.js";
import { attachRating } from "./rate.js";
import { Mender } from "./recovery.js";
import { attachCurve, attachSeek } from "./seek.js";
import { attachShortcuts } from "./shortcuts.js";
import { Sound } from "./sound.js";
import { attachTabs, forgetOthers, offerToContinue } from "./tabs.js";
import { attachQueue } from "./up_next.js";
import { part, parts, View } from "./view.js";
import { Waveform } from "./waveform.js";

// A page that comes back this soon was reloaded; one that comes back later was opened again, and starts nothing.
const RELOADED_WITHIN_MS = 20_000;

const queue = new Queue();
const player = new Player(
  queue,
  new Sound(part("audio", HTMLAudioElement), part("standby", HTMLAudioElement)),
  loadSettings(),
);
const wave = new Waveform(part("bars", SVGSVGElement));
const view = new View(player, wave);
tellFormats(part("audio", HTMLAudioElement));
new Mender(player);
attachMedia(player);
attachSeek(player, view, wave);
attachCurve(player, wave);
attachTabs(player);
const rating = attachRating(player);
const upNext = attachQueue(player);
attachNowPlaying(player, [rating, upNext]);
attachShortcuts(player, { like: rating.like, rate: rating.toggle, queue: upNext.toggle });

part("toggle").addEventListener("click", () => player.toggle());
part("next").addEventListener("click", () => player.next());
part("previous").addEventListener("click", () => player.previous());
part("mute").addEventListener("click", () => player.mute());
const volume = part("volume", HTMLInputElement);
volume.addEventListener("input", () => player.setVolume(Number(volume.value)));
for (const button of parts("shuffle")) button.addEventListener("click", () => player.shuffle());
for (const button of parts("repeat")) button.addEventListener("click", () => player.repeat());

document.addEventListener("click", (event) => {
  const button = closest(event, "[data-play], [data-play-all]");
  /** @type {HTMLElement | null | undefined} */
  const list = button?.closest("[data-queue]") || document.querySelector("[data-queue][data-main-queue]");
  if (!button || !list) return;
  const rows = findAll(list, "[data-track]");
  const samePlace = (list.dataset.playlist || "") === queue.playlist;
  const current = samePlace ? rows.find((one) => one.dataset.song === queue.current?.song) : undefined;
  const row =
    /** @type {HTMLElement | null} */ (button.closest("[data-track]")) ||
    current ||
    rows.find((one) => one.dataset.played !== "true") ||
    rows[0];
  if (!row) return;
  // The button that plays a whole list goes on with it, and never stops what it says it plays.
  if (row !== current) player.start(list, rows.indexOf(row));
  else if (button.matches("[data-play-all]")) player.play();
  else player.toggle();
});

// Orders are numbered as they are asked for: of answers that overtake each other the newest stays.
let ordersAsked = 0;
let orderShown = 0;

/**
 * Fetches the new order of the playlist in play, for the page if it shows it and for the queue in any case.
 * @param {Reranked} rerank
 */
async function refreshQueue({ playlist, sentence, moved = [] }) {
  if (playlist !== queue.playlist) return;
  const shownList = document.querySelector(`[data-queue][data-playlist="${playlist}"]`);
  // While the list is ordered by hand, its buttons stay.
  if (shownList?.hasAttribute("data-arranging")) return;
  const order = ++ordersAsked;
  const answer = await fetch(`${queue.pageUrl}items/?moved=${moved.join()}`);
  if (!answer.ok) return;
  const html = await answer.text();
  // Meanwhile another list may have begun.
  if (playlist !== queue.playlist || order < orderShown) return;
  orderShown = order;
  const [list] = findAll(new DOMParser().parseFromString(html, "text/html"), "[data-queue]");
  if (list) queue.reorder(list);
  player.tell("queue");
  const shown = document.querySelector(`[data-queue][data-playlist="${playlist}"]`);
  if (!shown) return;
  htmx.swap(shown, html, { swapStyle: "outerHTML" });
  const changes = document.getElementById("playlist-changes");
  if (changes) changes.textContent = sentence;
}

document.addEventListener("player:reranked", (event) => refreshQueue(event.detail));

document.addEventListener("htmx:load", (event) => {
  const elt = event.detail.elt;
  const list = elt.matches("[data-queue]") ? elt : findAll(elt, "[data-queue][data-playlist]")[0];
  if (list && queue.playlist && list.dataset.playlist === queue.playlist) {
    queue.reorder(list);
    player.tell("queue");
  }
  view.state();
  view.time();
  const begin = elt.matches("[data-autoplay]") ? elt : findAll(elt, "[data-autoplay]")[0];
  if (!begin) return;
  begin.removeAttribute("data-autoplay");
  // Without this a reload, or the way back, would start the list again.
  history.replaceState(history.state, "", location.pathname);
  player.start(begin, 0);
});

// Whoever signs out takes their music along, in every tab.
let who = listener();
new MutationObserver(() => {
  // Every page writes it again: what an open panel says and waits to send is about the same person still.
  if (who === listener()) return;
  if (queue.adopt()) player.tell("listener");
  else player.clear();
  forgetOthers();
  if (who) player.tell("left");
  who = listener();
}).observe(find(document, "#csrf"), { attributeFilter: ["data-listener"] });

window.addEventListener("pagehide", () => {
  if (queue.current) queue.savePosition(player.sound.timeS, player.wanted);
});

forgetOthers();
const reloaded = queue.wasPlaying && Date.now() - queue.savedAt < RELOADED_WITHIN_MS;
if (queue.current) player.open(queue.timeS);
else offerToContinue(player, find(document, "#player-offer"));
view.volume();
view.state();
if (queue.current && reloaded) player.play();
