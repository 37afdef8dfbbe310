/* What happens when a song does not play: the cause in words, then the next song, or the same one once it is possible.
 *
 * An audio element only reports that something failed; a HEAD request for the same address gives the cause.
 */

import { gettext, interpolate } from "../shared/i18n.js";

const PAUSE_MS = 1800;
const SKIPS_IN_A_ROW = 3;
const RETRY_AFTER_MS = [2000, 5000, 10000, 20000, 30000];
const DECODING = 3;

/** @typedef {"offline" | "silent" | "busy" | "denied" | "gone" | "broken" | "changed" | "unplayable"} Cause */

/**
 * Asks the server why an address does not play: offline, silent, denied, gone, busy, broken, changed or unplayable.
 * @param {string} src
 * @param {{ timeS: number, code?: number }} failure
 * @returns {Promise<Cause>}
 */
export async function causeOf(src, { timeS, code }) {
  if (!navigator.onLine) return "offline";
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(src, { method: "HEAD", cache: "no-store" });
  } catch {
    return navigator.onLine ? "silent" : "offline";
  }
  if (answer.redirected || answer.status === 401 || answer.status === 403) return "denied";
  if (answer.status === 404 || answer.status === 410) return "gone";
  if (answer.status === 429 || answer.status === 503) return "busy";
  if (answer.status === 422) return "unplayable";
  if (answer.status === 416) return "changed";
  if (!answer.ok) return "broken";
  // The bytes are there. In the middle of a song a position that no longer exists (416) looks just like this.
  return code !== DECODING && timeS > 0 ? "changed" : "unplayable";
}

/**
 * Gives the reason why a song does not play.
 * @param {Cause} cause
 * @param {string} title
 */
function wordsFor(cause, title) {
  const messages = {
    offline: gettext("You are offline. “%(title)s” continues when the connection is back."),
    silent: gettext("The server does not answer. “%(title)s” will be retried in a moment."),
    busy: gettext("The server is busy. “%(title)s” will be retried in a moment."),
    denied: gettext(
      "“%(title)s” could not be played: you are signed out, or have no permission to listen here. Sign in, then press play.",
    ),
    gone: gettext("“%(title)s” could not be played: its file is missing."),
    broken: gettext("“%(title)s” could not be played: the server had a problem with it."),
    changed: gettext("“%(title)s” has to start again: its file has changed."),
    unplayable: gettext(
      "“%(title)s” could not be played: the file is damaged, or this browser does not support its format.",
    ),
  };
  return interpolate(messages[cause], { title }, true);
}

export class Mender {
  #failures = 0;
  #tries = 0;
  /** @type {Track | null} */
  #begunAnew = null;
  #timer = 0;

  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    player.sound.addEventListener("error", () => this.#failed());
    player.sound.addEventListener("playing", () => this.#works());
    player.sound.addEventListener("waiting", () => this.#waits());
    player.addEventListener("track", () => clearTimeout(this.#timer));
    player.addEventListener("start", () => {
      this.#failures = 0;
    });
    window.addEventListener("online", () => this.#again());
  }

  #works() {
    this.#failures = this.#tries = 0;
    this.#begunAnew = null;
    clearTimeout(this.#timer);
  }

  #waits() {
    const { current } = this.player.queue;
    if (!navigator.onLine && current) this.player.say(wordsFor("offline", current.title));
  }

  async #failed() {
    const { queue, sound } = this.player;
    const track = queue.current;
    if (!track || !sound.audio.getAttribute("src")) return;
    sound.endFade();
    const cause = await causeOf(this.player.source(track), { timeS: queue.timeS, code: sound.audio.error?.code });
    // The listener may have moved on meanwhile.
    if (track !== queue.current || !sound.audio.error) return;
    this.player.tell("state");
    const words = wordsFor(cause, track.title);
    if (cause === "offline") this.player.say(words);
    else if (cause === "silent" || cause === "busy") this.#later(words);
    else if (cause === "denied") this.#giveUp(words);
    else if (cause === "changed" && this.#begunAnew !== track) this.#anew(track, words);
    else if (cause === "unplayable" && !track.convert) this.#convert(track);
    else this.#passOver(cause === "changed" ? wordsFor("unplayable", track.title) : words);
  }

  /** @param {string} words */
  #later(words) {
    if (!this.player.wanted || this.#tries >= RETRY_AFTER_MS.length) {
      this.#giveUp(`${words} ${gettext("Playback stopped.")}`);
      return;
    }
    this.player.say(words);
    this.#timer = setTimeout(() => this.#again(), RETRY_AFTER_MS[this.#tries]);
    this.#tries += 1;
  }

  /**
   * @param {Track} track
   * @param {string} words
   */
  #anew(track, words) {
    this.#begunAnew = track;
    const { wanted } = this.player;
    this.player.open(0);
    this.player.say(words);
    if (wanted) this.player.play();
  }

  /**
   * Lets the server convert a song: what a browser says it plays is not all that a file may hold.
   * @param {Track} track
   */
  #convert(track) {
    track.convert = true;
    const { player } = this;
    const { wanted } = player;
    player.queue.save();
    player.open(player.queue.timeS);
    if (wanted) player.play();
  }

  /** @param {string} words */
  #giveUp(words) {
    this.player.wanted = false;
    this.player.say(words);
  }

  /** @param {string} words */
  #passOver(words) {
    this.#failures += 1;
    const { player } = this;
    const index = player.queue.nextIndex(player.settings.repeat);
    // A song that is only shown after a reload is not in anybody's way.
    const goesOn = player.wanted && index >= 0 && this.#failures < SKIPS_IN_A_ROW;
    if (goesOn) {
      player.say(`${words} ${gettext("Continuing with the next song.")}`);
      // Meanwhile the listener may have moved songs.
      this.#timer = setTimeout(() => player.jump(player.queue.nextIndex(player.settings.repeat)), PAUSE_MS);
    } else {
      this.#giveUp(player.wanted ? `${words} ${gettext("Playback stopped.")}` : words);
    }
  }

  /** Reopens the song where it broke off. */
  #again() {
    const { player } = this;
    const stuck = player.sound.audio.error || player.sound.audio.readyState < 3;
    if (!player.queue.current || !stuck) return;
    const { wanted } = player;
    player.open(player.queue.timeS);
    if (wanted) player.play();
  }
}
