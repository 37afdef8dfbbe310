/* A preview: the half minute that stands for a song, quietly, in an audio element of its own.
 *
 * It begins and ends softly, and never while the player plays or another tab does. Nothing is reported: a preview is no
 * listen. It asks for the song from its highlight on, so that nothing before it is loaded.
 */

import { canPlay } from "../player/formats.js";
import { stored } from "../shared/storage.js";

export const LENGTH_S = 30;
const IN_MS = 1500;
const OUT_MS = 250;
const STEP_MS = 50;
// Of the volume of the player, which stays the listener's measure of loud.
const QUIET = 0.4;

/** Tells "start" with the song's element, and "end". */
export class Preview extends EventTarget {
  /** @type {HTMLElement | null} */
  #shown = null;
  #timer = 0;
  #startS = 0;

  /** @param {HTMLAudioElement} [audio] */
  constructor(audio = new Audio()) {
    super();
    this.audio = audio;
    audio.preload = "none";
    // Some systems leave the volume to their own buttons: there nothing can be quiet.
    audio.volume = 0.5;
    this.canBeQuiet = audio.volume === 0.5;
    for (const type of ["ended", "error"]) audio.addEventListener(type, () => this.stop());
    audio.addEventListener("timeupdate", () => this.#moved());
  }

  /** The element of the song that plays, if one does. */
  get shown() {
    return this.#shown;
  }

  /**
   * Plays the highlight of the song that an element describes.
   * @param {HTMLElement} element
   */
  async start(element) {
    const { href, highlight, type = "" } = element.dataset;
    const { level = 1, muted = false } = stored(localStorage, "moodplane.player");
    if (!href || !highlight || muted || !this.canBeQuiet || playerPlays() || element === this.#shown) return;
    this.stop();
    this.#shown = element;
    this.#startS = Number(highlight);
    this.audio.src = `${href}audio${type && !canPlay(type) ? "?as=flac" : ""}#t=${highlight}`;
    this.audio.volume = 0;
    this.#fade(QUIET * level, IN_MS);
    try {
      await this.audio.play();
    } catch {
      // Browsers let a page sound only after a click or a key on it; and the song may be gone, or be stopped by now.
      if (this.#shown === element) this.stop();
      return;
    }
    if (this.#shown === element) this.dispatchEvent(new CustomEvent("start", { detail: element }));
  }

  /** Ends the preview softly. */
  stop() {
    if (!this.#shown) return;
    this.#shown = null;
    this.dispatchEvent(new CustomEvent("end"));
    this.#fade(0, OUT_MS);
  }

  /** Ends the preview at once. */
  silence() {
    this.stop();
    this.#release();
  }

  #moved() {
    if (this.audio.currentTime >= this.#startS + LENGTH_S - OUT_MS / 1000) this.stop();
  }

  /**
   * @param {number} level
   * @param {number} ms
   */
  #fade(level, ms) {
    clearInterval(this.#timer);
    const from = this.audio.volume;
    let done = 0;
    this.#timer = setInterval(() => {
      done = Math.min(1, done + STEP_MS / ms);
      this.audio.volume = from + (level - from) * done;
      if (done < 1) return;
      clearInterval(this.#timer);
      if (!level) this.#release();
    }, STEP_MS);
  }

  #release() {
    clearInterval(this.#timer);
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
  }
}

/** Returns whether the player of this tab plays. */
export function playerPlays() {
  return [...document.querySelectorAll("audio[data-player-audio], audio[data-player-standby]")].some(
    (each) => each instanceof HTMLAudioElement && !each.paused,
  );
}
