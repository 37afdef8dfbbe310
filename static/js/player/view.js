/* What the player shows: the bar, the rows of the page that its song stands in, and the page's title. */

import { find, findAll, relink } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";

export const bar = find(document, "#player");
/**
 * Returns a part of the bar by the end of its data attribute.
 * @template {typeof Element} [T=typeof HTMLElement]
 * @param {string} name
 * @param {T} [type]
 */
export const part = (name, type) => find(bar, `[data-player-${name}]`, type);
/** @param {string} name */
export const parts = (name) => findAll(document, `[data-player-${name}]`);

/** @param {number} seconds */
export const clock = (seconds) => {
  const whole = Number.isFinite(seconds) ? Math.floor(seconds) : 0;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

const REPEAT_WORDS = {
  off: () => gettext("Repeat: off"),
  all: () => gettext("Repeat: the whole list"),
  one: () => gettext("Repeat: this song"),
};

export class View {
  #mark = "";

  /**
   * @param {Player} player
   * @param {Waveform} wave
   */
  constructor(player, wave) {
    this.player = player;
    this.wave = wave;
    this.seeking = false;
    player.addEventListener("track", () => this.track());
    player.addEventListener("state", () => this.state());
    player.addEventListener("queue", () => this.state());
    player.addEventListener("time", () => {
      if (!this.seeking) this.time();
    });
    player.addEventListener("volume", () => this.volume());
    player.addEventListener("say", (event) => {
      part("status").textContent = /** @type {CustomEvent<string>} */ (event).detail;
    });
    wave.addEventListener("drawn", () => {
      this.time();
      this.moods();
    });
    // A page that arrives brings its own title.
    new MutationObserver(() => this.title()).observe(find(document, "title"), { childList: true });
  }

  track() {
    const { current: track, playlist } = this.player.queue;
    bar.hidden = !track;
    if (!track) {
      for (const name of ["title", "artist", "reason", "moods"]) part(name).textContent = "";
      return;
    }
    Object.assign(bar.dataset, { song: track.song, playlist });
    for (const [name, text, href] of [
      ["title", track.title, track.href],
      ["artist", track.artist, track.artistHref],
    ]) {
      part(name).textContent = text;
      relink(part(name, HTMLAnchorElement), href);
    }
    part("cover", HTMLImageElement).src = track.cover;
    part("reason").textContent = part("reason").title = track.reason || "";
    this.wave.open(track);
    this.time();
    document.dispatchEvent(new CustomEvent("player:track", { detail: track }));
  }

  state() {
    const { player } = this;
    const { paused } = player.sound;
    part("toggle").setAttribute("aria-label", paused ? gettext("Play") : gettext("Pause"));
    part("toggle-icon", SVGElement).setAttribute("href", paused ? "#i-play" : "#i-pause");
    part("next", HTMLButtonElement).disabled = !player.hasNext;
    for (const button of parts("shuffle")) button.setAttribute("aria-pressed", String(player.queue.shuffled));
    const { repeat } = player.settings;
    for (const button of parts("repeat")) {
      button.setAttribute("aria-label", REPEAT_WORDS[repeat]());
      button.title = REPEAT_WORDS[repeat]();
      button.toggleAttribute("data-on", repeat !== "off");
      find(button, "use", SVGElement).setAttribute("href", repeat === "one" ? "#i-repeat-one" : "#i-repeat");
    }
    this.rows();
    this.title();
  }

  /** Marks the song that plays wherever the page lists it. */
  rows() {
    const { queue, sound } = this.player;
    for (const row of findAll(document, "[data-track]")) {
      const here = row.dataset.song === queue.current?.song;
      if (here) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
      const playing = here && !sound.paused;
      row.toggleAttribute("data-playing", playing);
      for (const button of findAll(row, "[data-play]")) {
        const words = playing ? gettext("Pause %(title)s") : gettext("Play %(title)s");
        button.setAttribute("aria-label", interpolate(words, { title: row.dataset.title ?? "" }, true));
        find(button, "use", SVGElement).setAttribute("href", playing ? "#i-pause" : "#i-play");
        const word = button.querySelector("[data-play-word]");
        if (word) word.textContent = playing ? gettext("Pause") : gettext("Play");
      }
    }
  }

  time(atS = this.player.sound.timeS) {
    // The server has measured it; a browser guesses the length of an MP3 without an index.
    const whole = this.wave.durationS || this.player.sound.durationS;
    part("elapsed").textContent = clock(atS);
    part("duration").textContent = clock(whole);
    part("line").style.setProperty("--played", `${whole ? Math.min(100, (atS / whole) * 100) : 0}%`);
    part("section").textContent = this.wave.nameAt(atS);
    const range = part("seek", HTMLInputElement);
    range.max = String(Math.max(1, Math.round(whole * 10) / 10));
    range.value = String(atS);
    range.setAttribute("aria-valuetext", this.words(atS, whole));
    const { current } = this.player.queue;
    document.dispatchEvent(
      new CustomEvent("player:time", { detail: { song: current?.song, timeS: atS, durationS: whole } }),
    );
  }

  /** Names the parts of the waveform, where there is room. */
  moods() {
    const { sections } = this.wave.data || { sections: [] };
    part("moods").replaceChildren(
      ...sections.map(({ start_s, end_s, label = "", quadrant = "" }) => {
        const name = document.createElement("span");
        name.textContent = label;
        name.className = `player__mood player__mood--${quadrant.toLowerCase()}`;
        name.style.flexGrow = String(end_s - start_s);
        return name;
      }),
    );
  }

  /**
   * Says a place in the song: "1:20 of 3:40, Calm".
   * @param {number} atS
   * @param {number} wholeS
   */
  words(atS, wholeS) {
    const places = { time: clock(atS), whole: clock(wholeS), mood: this.wave.nameAt(atS) };
    const message = places.mood ? gettext("%(time)s of %(whole)s, %(mood)s") : gettext("%(time)s of %(whole)s");
    return interpolate(message, places, true);
  }

  volume() {
    const { level, muted } = this.player.sound;
    part("volume", HTMLInputElement).value = String(level);
    part("volume").setAttribute(
      "aria-valuetext",
      interpolate(gettext("%(percent)s %%"), { percent: Math.round(level * 100) }, true),
    );
    part("mute").setAttribute("aria-pressed", String(muted));
    part("mute-icon", SVGElement).setAttribute("href", muted ? "#i-muted" : "#i-volume");
  }

  title() {
    const { queue, sound } = this.player;
    const title = document.title.startsWith(this.#mark) ? document.title.slice(this.#mark.length) : document.title;
    this.#mark = queue.current && !sound.paused ? `♪ ${queue.current.title} · ` : "";
    if (document.title !== this.#mark + title) document.title = this.#mark + title;
  }
}
