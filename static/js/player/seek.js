/* Seeking: the range over the waveform, with the place under the pointer in words; and the curve of the song's page. */

import { closest, find, findAll } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";
import { clock, part } from "./view.js";

const STEP_S = 5;
/** @type {Record<string, number>} */
const KEYS = {
  ArrowRight: STEP_S,
  ArrowUp: STEP_S,
  ArrowLeft: -STEP_S,
  ArrowDown: -STEP_S,
  PageUp: 30,
  PageDown: -30,
};

/**
 * Lets keys move a range by seconds that are worth a press; the browser's own step would be a tenth of one.
 * @param {HTMLInputElement} range
 * @param {(seconds: number) => void} move
 */
function byKeys(range, move) {
  range.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(KEYS[event.key]);
  });
}

/**
 * @param {Player} player
 * @param {PlayerView} view
 * @param {Waveform} wave
 */
export function attachSeek(player, view, wave) {
  const range = part("seek", HTMLInputElement);
  const hover = part("hover");
  /** @param {HTMLInputElement} range */
  byKeys(range, (seconds) => player.seekBy(seconds));
  // While the thumb is dragged only its place is shown; the song is asked for once, where it is let go.
  range.addEventListener("input", () => {
    view.seeking = true;
    view.time(Number(range.value));
  });
  range.addEventListener("change", () => {
    view.seeking = false;
    player.seek(Number(range.value));
  });
  // A thumb released where it was grabbed fires no change event.
  for (const type of ["pointerup", "pointercancel", "blur"])
    range.addEventListener(type, () => {
      view.seeking = false;
    });
  range.addEventListener("pointermove", (event) => {
    const box = range.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const timeS = share * Number(range.max);
    const words = wave.wordsAt(timeS);
    hover.textContent = words
      ? interpolate(gettext("%(time)s %(mood)s"), { time: clock(timeS), mood: words }, true)
      : clock(timeS);
    hover.style.setProperty("--at", `${share * 100}%`);
    hover.hidden = false;
  });
  range.addEventListener("pointerleave", () => {
    hover.hidden = true;
  });
}

/**
 * The curve on a song's page follows the song while it plays, and leads to a place in it.
 * @param {Player} player
 * @param {Waveform} wave
 */
export function attachCurve(player, wave) {
  document.addEventListener("player:time", ({ detail }) => {
    const [curve] = findAll(document, "[data-curve-song]");
    if (!curve) return;
    const here = curve.dataset.curveSong === detail.song && detail.durationS > 0;
    find(curve, "[data-curve-seek]").hidden = !here;
    find(curve, "[data-curve-cursor]", SVGElement).toggleAttribute("hidden", !here);
    if (here) place(curve, detail, wave);
  });
  document.addEventListener("input", (event) => {
    const range = closest(event, "[data-curve-seek]", HTMLInputElement);
    if (range) player.seek(Number(range.value));
  });
  document.addEventListener(
    "keydown",
    (event) => {
      if (!closest(event, "[data-curve-seek]") || !(event.key in KEYS) || event.shiftKey) return;
      event.preventDefault();
      player.seekBy(KEYS[event.key]);
    },
    true,
  );
}

/**
 * @param {HTMLElement} curve
 * @param {PlayTime} time
 * @param {Waveform} wave
 */
function place(curve, { timeS, durationS }, wave) {
  const range = find(curve, "[data-curve-seek]", HTMLInputElement);
  const { plotLeft, plotRight } = curve.dataset;
  const x = Number(plotLeft) + (Number(plotRight) - Number(plotLeft)) * Math.min(1, timeS / durationS);
  const cursor = find(curve, "[data-curve-cursor]", SVGElement);
  cursor.setAttribute("x1", x.toFixed(1));
  cursor.setAttribute("x2", x.toFixed(1));
  range.max = String(durationS);
  range.value = String(timeS);
  const mood = wave.wordsAt(timeS);
  range.setAttribute("aria-valuetext", mood ? `${clock(timeS)}, ${mood}` : clock(timeS));
}
