/* The player's entry: puts its pieces together and listens to the pages. Everything of it lies outside #main, so that it
 * lives on while pages change; pages describe songs in data attributes.
 */

import { closest, find, findAll } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";
import { listener } from "../shared/requests.js";
import { Player } from "./core.js";
import { attachEndless } from "./endless.js";
import { attachLyrics } from "./lyrics.js";
import { attachMedia } from "./media.js";
import { mixerFor } from "./mixer.js";
import { attachNowPlaying } from "./now_playing.js";
import { Queue, trackOf } from "./queue.js";
import { attachRating } from "./rate.js";
import { Mender } from "./recovery.js";
import { attachCurve, attachSeek } from "./seek.js";
import { attachSettings, loadSettings } from "./settings.js";
import { attachShortcuts } from "./shortcuts.js";
import { attachSleep } from "./sleep.js";
import { Sound } from "./sound.js";
import { attachTabs, forgetOthers, offerToContinue } from "./tabs.js";
import { attachQueue } from "./up_next.js";
import { part, parts, View } from "./view.js";
import { Waveform } from "./waveform.js";

// A page that comes back this soon was reloaded; one that comes back later was opened again, and starts nothing.
const RELOADED_WITHIN_MS = 20_000;

const queue = new Queue();
const elements = [part("audio", HTMLAudioElement), part("standby", HTMLAudioElement)];
const player = new Player(queue, new Sound(elements[0], elements[1], mixerFor(elements)), loadSettings());
const wave = new Waveform(part("bars", SVGSVGElement));
const view = new View(player, wave);
new Mender(player);
attachMedia(player);
attachSeek(player, view, wave);
attachCurve(player, wave);
attachTabs(player);
const rating = attachRating(player);
const upNext = attachQueue(player);
attachEndless(player);
attachSleep(player);
attachNowPlaying(player, [rating, attachLyrics(player), upNext]);
const showSettings = attachSettings(player);
attachShortcuts(player, { like: rating.like, rate: rating.toggle, queue: upNext.toggle, opened: showSettings });

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

/** @param {string} sentence */
const toast = (sentence) => document.dispatchEvent(new CustomEvent("moodplane:say", { detail: sentence }));

// What a row's menu does with its song.
document.addEventListener("click", (event) => {
  const button = closest(event, "[data-play-next], [data-enqueue]");
  /** @type {HTMLElement | null | undefined} */
  const row = button?.closest("[data-track]");
  if (!button || !row) return;
  const next = button.matches("[data-play-next]");
  const track = trackOf(row);
  const sentence = !player.enqueue([track], { next })
    ? gettext("%(title)s is playing already.")
    : next
      ? gettext("%(title)s plays next.")
      : gettext("%(title)s was added to the queue.");
  toast(interpolate(sentence, { title: track.title }, true));
});

// A whole list, of which the page shows a part: its songs come from the server.
document.addEventListener("click", async (event) => {
  const button = closest(event, "[data-play-list]");
  const url = button?.dataset.listUrl;
  if (!button || !url) return;
  player.sound.unlock();
  const answer = await fetch(url).catch(() => null);
  const page = new DOMParser().parseFromString(answer?.ok ? await answer.text() : "", "text/html");
  const [list] = findAll(page, "[data-queue]");
  const n = list ? findAll(list, "[data-track]").length : 0;
  if (!list || !n) {
    toast(answer?.ok ? gettext("There is no song to play.") : gettext("The songs could not be fetched. Try again."));
    return;
  }
  const shuffled = button.matches("[data-shuffled]");
  player.start(list, shuffled ? Math.floor(Math.random() * n) : 0);
  if (shuffled) player.shuffle();
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
