/* Lyrics, on a song's page and beside what plays: the line that is sung is marked and kept in sight unless the listener
 * scrolls, and a click on a line leads to it.
 */

import { closest, find, findAll } from "../shared/dom.js";
import { factsOf } from "./facts.js";

// Whoever reads ahead is left alone for so long.
const READS_FOR_MS = 8000;
const CALM = "(prefers-reduced-motion: reduce)";
/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/**
 * Returns which line is sung at a moment, -1 before the first.
 * @param {number[]} times In order.
 * @param {number} timeS
 */
export function lineAt(times, timeS) {
  return times.findLastIndex((time) => time <= timeS);
}

/** Follows one text with times. */
class Lines {
  #at = -1;
  #readsUntil = 0;

  /**
   * @param {HTMLElement} box
   * @param {(song: string, timeS: number) => void} seek
   */
  constructor(box, seek) {
    this.song = box.dataset.song ?? "";
    this.box = box;
    this.list = find(box, "ol");
    this.buttons = findAll(box, "[data-at]").map(buttonIn);
    this.times = this.buttons.map((button) => Number(button.dataset.at));
    if (this.buttons.length) this.buttons[0].tabIndex = 0;
    this.list.addEventListener("click", (event) => {
      const button = closest(event, "[data-at]", HTMLButtonElement);
      if (!button) return;
      this.#readsUntil = 0;
      seek(this.song, Number(button.dataset.at));
    });
    this.list.addEventListener("keydown", (event) => this.#step(event));
    for (const type of /** @type {const} */ (["wheel", "touchmove", "keydown"]))
      this.list.addEventListener(type, () => this.#reads(), { passive: true });
    // On the list itself, and not on a line, lies the scroll bar.
    this.list.addEventListener("pointerdown", (event) => {
      if (event.target === this.list) this.#reads();
    });
  }

  #reads() {
    this.#readsUntil = Date.now() + READS_FOR_MS;
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const button = closest(event, "[data-at]", HTMLButtonElement);
    const next = button && this.buttons[this.buttons.indexOf(button) + (STEPS[event.key] ?? 0)];
    if (!next || next === button) return;
    event.preventDefault();
    this.#reachable(next);
    next.focus();
  }

  /**
   * Of all lines Tab leads to one.
   * @param {HTMLButtonElement} button
   */
  #reachable(button) {
    for (const each of this.buttons) each.tabIndex = each === button ? 0 : -1;
  }

  /** @param {number} timeS */
  follow(timeS) {
    const at = lineAt(this.times, timeS);
    if (at === this.#at) return;
    this.buttons[this.#at]?.removeAttribute("aria-current");
    this.#at = at;
    const button = this.buttons[at];
    if (!button) return;
    button.setAttribute("aria-current", "true");
    if (!this.list.contains(document.activeElement)) this.#reachable(button);
    if (Date.now() < this.#readsUntil) return;
    const top = button.offsetTop - (this.list.clientHeight - button.offsetHeight) / 2;
    this.list.scrollTo({ top, behavior: matchMedia(CALM).matches ? "instant" : "smooth" });
  }
}

/** @param {HTMLElement} line */
function buttonIn(line) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lyrics__button";
  button.dataset.at = line.dataset.at ?? "";
  button.tabIndex = -1;
  button.dir = "auto";
  button.textContent = line.textContent?.trim() ?? "";
  line.removeAttribute("data-at");
  line.replaceChildren(button);
  return button;
}

/**
 * @param {Player} player
 * @returns {{ set: (open: boolean) => void }} What shows lyrics beside the song that plays, while it is open.
 */
export function attachLyrics(player) {
  const panel = find(document, "#player-lyrics");
  const place = find(panel, "[data-player-lyrics]");
  /** @type {Lines[]} */
  let followed = [];
  let isOpen = false;

  /**
   * @param {string} song
   * @param {number} timeS
   */
  function seek(song, timeS) {
    if (song !== player.queue.current?.song) {
      const row = document.querySelector(`[data-track][data-song="${CSS.escape(song)}"]`);
      /** @type {HTMLElement | null | undefined} */
      const list = row?.closest("[data-queue]");
      if (!list) return;
      player.start(list, findAll(list, "[data-track]").indexOf(/** @type {HTMLElement} */ (row)));
    }
    player.seek(timeS);
    player.play();
  }

  /** @param {ParentNode} root */
  function mount(root) {
    followed = followed.filter((lines) => lines.box.isConnected);
    for (const box of findAll(root, "[data-lyrics][data-timed]:not([data-mounted])")) {
      box.dataset.mounted = "";
      followed.push(new Lines(box, seek));
    }
  }

  async function show() {
    const { current } = player.queue;
    if (!isOpen || !current) {
      panel.hidden = true;
      return;
    }
    if (panel.dataset.song === current.song) {
      panel.hidden = !place.firstChild;
      return;
    }
    panel.dataset.song = current.song;
    panel.hidden = true;
    place.replaceChildren();
    const facts = await factsOf(current);
    const answer = facts?.has_lyrics ? await fetch(`${current.href}lyrics/`).catch(() => null) : null;
    const html = answer?.status === 200 ? await answer.text() : "";
    // Meanwhile another song may play.
    if (!html || panel.dataset.song !== current.song) return;
    place.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.children);
    panel.hidden = !isOpen;
    mount(place);
    follow(player.sound.timeS);
  }

  /** @param {number} timeS */
  function follow(timeS) {
    for (const lines of followed) if (lines.song === player.queue.current?.song) lines.follow(timeS);
  }

  player.addEventListener("track", show);
  document.addEventListener("player:time", ({ detail }) => follow(detail.timeS));
  document.addEventListener("htmx:load", () => mount(document));
  mount(document);
  return {
    set(open) {
      isOpen = open;
      show();
    },
  };
}
