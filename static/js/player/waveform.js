/* The waveform behind the seek control: as high as the song is loud, in the hue of what it expresses there.
 *
 * The less sure the model is, the greyer. Paths are coloured by the stylesheet, so both themes are right at once. Names of
 * the parts are said in words wherever a place in the song is.
 */

import { gettext, interpolate } from "../shared/i18n.js";
import { factsOf, knownFacts } from "./facts.js";

const SVG = "http://www.w3.org/2000/svg";
const BAR_PX = 3;

export class Waveform extends EventTarget {
  #song = "";

  /** @param {SVGSVGElement} svg */
  constructor(svg) {
    super();
    this.svg = svg;
    this.data = null;
    new ResizeObserver(() => this.#draw()).observe(svg.parentElement ?? svg);
  }

  get durationS() {
    return this.data?.duration_s || 0;
  }

  /**
   * Shows the song; nothing, and no fault, while the server knows no waveform of it.
   * @param {Track} track
   */
  async open(track) {
    if (track.song === this.#song && this.data?.peaks.length) return;
    this.#song = track.song;
    this.#show(knownFacts(track) ?? null);
    const data = await factsOf(track);
    if (data && data !== this.data && this.#song === track.song) this.#show(data);
  }

  /** @param {WaveformData | null} data */
  #show(data) {
    this.data = data;
    this.#draw();
    this.dispatchEvent(new Event("drawn"));
  }

  /** @param {number} timeS */
  sectionAt(timeS) {
    return this.data?.sections.find((section) => timeS < section.end_s) || this.data?.sections.at(-1);
  }

  /**
   * Returns the name of what the song expresses at a moment, or nothing.
   * @param {number} timeS
   */
  nameAt(timeS) {
    return this.sectionAt(timeS)?.label || "";
  }

  /**
   * Returns the same with how sure the model is.
   * @param {number} timeS
   */
  wordsAt(timeS) {
    const section = this.sectionAt(timeS);
    if (!section) return "";
    const places = { mood: section.label, percent: Math.round(section.confidence * 100) };
    return interpolate(gettext("%(mood)s, %(percent)s %% sure"), places, true);
  }

  #draw() {
    const width = this.svg.clientWidth;
    const peaks = this.data?.peaks || [];
    this.svg.toggleAttribute("data-empty", !peaks.length);
    if (!width) return;
    const bars = loudest(peaks, Math.max(1, Math.floor(width / BAR_PX)));
    const { sections } = this.data || { sections: [] };
    const stretches = sections.length ? sections : [{ start_s: 0, end_s: this.durationS, confidence: 0 }];
    this.svg.replaceChildren(...stretches.map((stretch) => this.#path(stretch, bars)));
  }

  /**
   * @param {Section} stretch
   * @param {number[]} bars
   */
  #path(stretch, bars) {
    const path = document.createElementNS(SVG, "path");
    /** @param {number} timeS */
    const place = (timeS) => Math.round((timeS / (this.durationS || 1)) * bars.length);
    const from = place(stretch.start_s);
    path.setAttribute("class", `wave__part${stretch.quadrant ? ` wave__part--${stretch.quadrant.toLowerCase()}` : ""}`);
    path.setAttribute("d", outline(bars, from, Math.min(bars.length, place(stretch.end_s))));
    path.style.setProperty("--sure", `${Math.round(100 * saturation(stretch.confidence))}%`);
    return path;
  }
}

/**
 * Returns how much of its hue a part has: little where the model guesses (one in four), all where it is fairly sure.
 * @param {number} confidence
 */
function saturation(confidence) {
  return 0.2 + 0.8 * Math.min(1, Math.max(0, (confidence - 0.25) / 0.45));
}

/**
 * Takes several parts together where there is no room for each.
 * @param {number[]} peaks
 * @param {number} nBars
 */
function loudest(peaks, nBars) {
  if (peaks.length <= nBars) return peaks;
  return Array.from({ length: nBars }, (_, bar) => {
    const from = Math.floor((bar * peaks.length) / nBars);
    return Math.max(...peaks.slice(from, Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / nBars))));
  });
}

/**
 * Returns bars as a path in a field of 1000 by 100, mirrored about its middle.
 * @param {number[]} bars
 * @param {number} from
 * @param {number} to
 */
function outline(bars, from, to) {
  const step = 1000 / bars.length;
  let path = "";
  for (let bar = from; bar < to; bar += 1) {
    const half = 3 + (bars[bar] / 255) * 46;
    const x = (bar * step).toFixed(2);
    path += `M${x} ${(50 - half).toFixed(1)}h${(step * 0.66).toFixed(2)}v${(2 * half).toFixed(1)}h-${(step * 0.66).toFixed(2)}z`;
  }
  return path;
}
