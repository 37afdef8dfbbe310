/* Seeking: the range over the waveform, with the place under the pointer in words; and the curve of the song's page. */

import { part, clock } from "./view.js";
import { interpolate, gettext } from "../shared/i18n.js";

const STEP_S = 5;
const KEYS = {
  ArrowRight: STEP_S, ArrowUp: STEP_S, ArrowLeft: -STEP_S, ArrowDown: -STEP_S, PageUp: 30, PageDown: -30,
};

/** Lets keys move a range by seconds that are worth a press; the browser's own step would be a tenth of one. */
function byKeys(range, move) {
  range.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(KEYS[event.key]);
  });
}

export function attachSeek(player, view, wave) {
  const range = part("seek");
  const hover = part("hover");
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
  // A thumb that is let go where it was taken tells of no change.
  for (const type of ["pointerup", "pointercancel", "blur"]) range.addEventListener(type, () => { view.seeking = false; });
  range.addEventListener("pointermove", (event) => {
    const box = range.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const timeS = share * Number(range.max);
    const words = wave.wordsAt(timeS);
    hover.textContent = words ? interpolate(gettext("%(time)s %(mood)s"), { time: clock(timeS), mood: words }, true) : clock(timeS);
    hover.style.setProperty("--at", `${share * 100}%`);
    hover.hidden = false;
  });
  range.addEventListener("pointerleave", () => { hover.hidden = true; });
}

/** The curve on a song's page follows the song while it plays, and leads to a place in it. */
export function attachCurve(player, wave) {
  const shown = () => document.querySelector("[data-curve-song]");
  document.addEventListener("player:time", ({ detail }) => {
    const curve = shown();
    if (!curve) return;
    const here = curve.dataset.curveSong === detail.song && detail.durationS > 0;
    curve.querySelector("[data-curve-seek]").hidden = !here;
    curve.querySelector("[data-curve-cursor]").toggleAttribute("hidden", !here);
    if (here) place(curve, detail, wave);
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-curve-seek]")) player.seek(Number(event.target.value));
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.("[data-curve-seek]") || !(event.key in KEYS) || event.shiftKey) return;
    event.preventDefault();
    player.seekBy(KEYS[event.key]);
  }, true);
}

function place(curve, { timeS, durationS }, wave) {
  const range = curve.querySelector("[data-curve-seek]");
  const { plotLeft, plotRight } = curve.dataset;
  const x = Number(plotLeft) + (Number(plotRight) - Number(plotLeft)) * Math.min(1, timeS / durationS);
  const cursor = curve.querySelector("[data-curve-cursor]");
  cursor.setAttribute("x1", x.toFixed(1));
  cursor.setAttribute("x2", x.toFixed(1));
  range.max = durationS;
  range.value = timeS;
  const mood = wave.wordsAt(timeS);
  range.setAttribute("aria-valuetext", mood ? `${clock(timeS)}, ${mood}` : clock(timeS));
}
