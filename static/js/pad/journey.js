/* The journey page: a handle on the plane for each point of the way. The sliders under it are the truth, a handle moves
 * them; after a change the way is looked for again, and an answer to an earlier request is dropped.
 */

import { closest, find, findAll } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";
import { Names, showCard } from "./names.js";
import { arousalText, placeWords, valenceText } from "./place_text.js";
import { clamp, PlaneView, percent, toStep } from "./view.js";

const STEP = 0.05;
const LONG_STEP = 0.2;
const LOOK_AFTER_MS = 350;
// A press on the plane that moved less than this adds a way-point.
const TAP_PX = 8;
/** @type {Record<string, Place>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** A point of the way: its row with two sliders, and its handle on the plane. */
class WayPoint {
  /**
   * @param {HTMLElement} row
   * @param {Journey} journey
   */
  constructor(row, journey) {
    this.row = row;
    this.journey = journey;
    this.name = row.dataset.journeyPoint ?? "";
    this.valence = find(row, "[name$=_valence]", HTMLInputElement);
    this.arousal = find(row, "[name$=_arousal]", HTMLInputElement);
    /** @type {HTMLInputElement | undefined} */
    this.tick = findAll(row, "[data-journey-tick]", HTMLInputElement)[0];
    this.label = find(row, ".way-point__label").textContent;
    /** @type {Place | null} */
    this.before = null;
    this.handle = document.createElement("button");
    Object.assign(this.handle, { type: "button", className: `handle handle--${this.name}` });
    this.handle.dataset.journeyHandle = this.name;
    this.handle.setAttribute("aria-describedby", "journey-handle-hint");
    journey.plane.append(this.handle);
    this.listen();
  }

  get counts() {
    return !this.tick || this.tick.checked;
  }

  /** @returns {Place} */
  get place() {
    return [Number(this.valence.value), Number(this.arousal.value)];
  }

  set place([v, a]) {
    this.valence.value = String(toStep(v));
    this.arousal.value = String(toStep(a));
  }

  listen() {
    for (const slider of [this.valence, this.arousal])
      slider.addEventListener("input", () => this.journey.changed(this));
    this.tick?.addEventListener("change", () => this.journey.changed(this));
    this.row.querySelector("[data-journey-remove]")?.addEventListener("click", () => this.journey.remove(this));
    this.handle.addEventListener("keydown", (event) => this.key(event));
    this.handle.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.handle.setPointerCapture(event.pointerId);
      this.before = this.place;
      event.stopPropagation();
    });
    this.handle.addEventListener("pointermove", (event) => {
      if (!this.handle.hasPointerCapture(event.pointerId) || !this.before) return;
      this.place = this.journey.view.placeOf(event);
      this.journey.changed(this);
    });
    for (const name of ["pointerup", "pointercancel"])
      this.handle.addEventListener(name, () => {
        this.before = null;
      });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Escape" && this.before) {
      this.place = this.before;
      this.before = null;
    } else if ((event.key === "Delete" || event.key === "Backspace") && this.tick) {
      event.preventDefault();
      this.journey.remove(this);
      return;
    } else if (ARROWS[event.key]) {
      event.preventDefault();
      const [v, a] = this.place;
      const step = event.shiftKey ? LONG_STEP : STEP;
      this.place = [clamp(v + ARROWS[event.key][0] * step), clamp(a + ARROWS[event.key][1] * step)];
      this.journey.say(this.words);
    } else {
      return;
    }
    this.journey.changed(this);
  }

  get words() {
    return interpolate(gettext("%(point)s: %(place)s"), { point: this.label, place: placeWords(...this.place) }, true);
  }

  show() {
    const [v, a] = this.place;
    this.row.hidden = this.handle.hidden = !this.counts;
    this.journey.view.put(this.handle, v, a);
    this.handle.setAttribute("aria-label", this.words);
    find(this.row, "[data-journey-place]").textContent = placeWords(v, a);
    this.valence.setAttribute("aria-valuetext", valenceText(v));
    this.arousal.setAttribute("aria-valuetext", arousalText(a));
  }
}

class Journey {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.plane = find(root, "[data-plane]");
    this.card = find(root, "[data-plane-card]");
    this.form = find(root, "#journey-form", HTMLFormElement);
    this.adding = find(root, "[data-journey-add]");
    this.said = find(root, "[data-journey-said]");
    this.view = new PlaneView(this.plane, root.dataset.pointsUrl ?? "");
    this.names = new Names(root.dataset.songUrl ?? "");
    this.points = findAll(root, "[data-journey-point]").map((row) => new WayPoint(row, this));
    this.presets = findAll(root, "[data-preset]");
    /** @type {ReturnType<typeof setTimeout> | 0} */
    this.looking = 0;
    this.asked = 0;
    this.sent = 0;
    this.wished = false;
    /** @type {Place | null} */
    this.pressed = null;
    /** @type {number | undefined} */
    this.pointedAt = undefined;
    this.listen();
    this.show();
    this.view.load();
  }

  close() {
    clearTimeout(this.looking);
    this.names.forget();
    this.view.close();
  }

  listen() {
    this.adding.addEventListener("click", () => this.add(null));
    for (const preset of this.presets) preset.addEventListener("click", (event) => this.take(event, preset));
    // Length and filters, which the form holds next to the points.
    this.form.addEventListener(
      "submit",
      (event) => {
        this.wished = Boolean(event.submitter);
        clearTimeout(this.looking);
        this.looking = 0;
        this.asked += 1;
        // Before htmx sends the request.
      },
      { capture: true },
    );
    this.form.addEventListener("htmx:beforeRequest", (event) => {
      if (event.target === this.form) this.sent = this.asked;
    });
    // htmx waits for an answer before it asks again (hx-sync); one that is out of date by then is not shown.
    this.root.addEventListener("htmx:beforeSwap", (event) => {
      const { detail } = /** @type {HtmxEvent} */ (event);
      if (detail.requestConfig?.elt === this.form && (this.looking || this.sent !== this.asked))
        detail.shouldSwap = false;
    });
    this.form.addEventListener("input", (event) => {
      if (closest(event, "[data-limits]")) this.look();
    });
    this.plane.addEventListener("pointerdown", (event) => {
      this.pressed = [event.clientX, event.clientY];
    });
    this.plane.addEventListener("click", (event) => this.tap(event));
    this.plane.addEventListener("pointermove", (event) => this.hover(event));
    this.plane.addEventListener("pointerleave", () => this.rest());
    for (const [on, off] of [
      ["pointerover", "pointerout"],
      ["focusin", "focusout"],
    ]) {
      this.root.addEventListener(on, (event) => this.tell(event, true));
      this.root.addEventListener(off, (event) => this.tell(event, false));
    }
  }

  /* The way ------------------------------------------------------------------------------------------------------ */

  get way() {
    return this.points.filter((point) => point.counts);
  }

  get free() {
    return this.points.find((point) => !point.counts);
  }

  show() {
    for (const point of this.points) point.show();
    this.adding.hidden = !this.free;
    const line = this.way.map(({ place: [v, a] }) => `${percent(v).toFixed(2)},${percent(-a).toFixed(2)}`).join(" ");
    find(this.root, "[data-journey-asked]", SVGElement).setAttribute("points", line);
  }

  /** An answer brings the line of its request, and the seed that keeps the songs alike while a point moves. */
  answered() {
    this.show();
    const preview = find(this.root, "#journey-preview");
    // After a press of the button the result scrolls into view; while dragging, the eyes stay on the plane.
    if (this.wished && preview.getBoundingClientRect().top > innerHeight * 0.7) preview.scrollIntoView();
    this.wished = false;
    const [seed] = findAll(preview, "[name=seed]", HTMLInputElement);
    if (seed) find(this.form, "[data-journey-seed]", HTMLInputElement).value = seed.value;
  }

  /** @param {WayPoint} point */
  changed(point) {
    for (const preset of this.presets) preset.setAttribute("aria-pressed", "false");
    this.show();
    this.view.light(...point.place);
    this.look();
  }

  /** Looks for the way again, once nothing has changed for a moment. */
  look() {
    clearTimeout(this.looking);
    this.looking = setTimeout(() => {
      this.looking = 0;
      if (this.form.isConnected) this.form.requestSubmit();
    }, LOOK_AFTER_MS);
  }

  /**
   * Adds a way-point, before the end: at a place, or in the middle of the last leg.
   * @param {Place | null} place
   */
  add(place) {
    const point = this.free;
    if (!point?.tick) return;
    const [before, end] = this.way.slice(-2).map((each) => each.place);
    point.tick.checked = true;
    point.place = place ?? [(before[0] + end[0]) / 2, (before[1] + end[1]) / 2];
    this.changed(point);
    point.handle.focus();
  }

  /**
   * Takes a way-point away; those behind it move up, so that the free ones are last.
   * @param {WayPoint} point
   */
  remove(point) {
    const vias = this.points.filter((each) => each.tick);
    for (let at = vias.indexOf(point); at < vias.length; at++) {
      const [via, next] = [vias[at], vias[at + 1]];
      if (via.tick) via.tick.checked = Boolean(next?.counts);
      if (next) via.place = next.place;
    }
    this.changed(point);
    this.say(gettext("The waypoint was removed."));
    (this.free ? this.adding : point.handle).focus();
  }

  /**
   * Moves the points as a way with a name has them; without this the button asks the server for the same.
   * @param {Event} event
   * @param {HTMLElement} preset
   */
  take(event, preset) {
    event.preventDefault();
    const { valence, arousal, variety } = preset.dataset;
    const start = this.points[0].place;
    for (const point of this.points) if (point.tick) point.tick.checked = false;
    const end = this.points[this.points.length - 1];
    end.place = valence === undefined ? start : [Number(valence), Number(arousal)];
    if (variety) find(this.form, "[name=variety]", HTMLInputElement).value = variety;
    this.changed(end);
    preset.setAttribute("aria-pressed", "true");
    this.say(end.words);
  }

  /** @param {string} words */
  say(words) {
    this.said.textContent = words;
  }

  /* Pointing ----------------------------------------------------------------------------------------------------- */

  /** @param {MouseEvent} event */
  tap(event) {
    if (closest(event, "[data-journey-handle], [data-journey-stop]") || !this.pressed) return;
    if (Math.hypot(event.clientX - this.pressed[0], event.clientY - this.pressed[1]) > TAP_PX) return;
    this.add(this.view.placeOf(event));
  }

  /** @param {PointerEvent} event */
  hover(event) {
    if (event.buttons || event.pointerType === "touch") return;
    const place = this.view.placeOf(event);
    const dot = closest(event, "[data-journey-handle], [data-journey-stop]") ? -1 : this.view.pointed(...place);
    this.view.light(...place, dot);
    if (dot === this.pointedAt) return;
    this.pointedAt = dot;
    this.card.hidden = true;
    this.names.forget();
    if (dot < 0 || !this.view.points) return;
    const { id, valence, arousal } = this.view.points;
    this.names.ask(id[dot], (fragment) => showCard(this.view, this.card, fragment, valence[dot], arousal[dot]));
  }

  rest() {
    this.pointedAt = undefined;
    this.names.forget();
    this.card.hidden = true;
    this.view.dark();
  }

  /**
   * A row that is pointed at or focused shows its place on the way, and a place its row.
   * @param {Event} event
   * @param {boolean} on
   */
  tell(event, on) {
    const stop = closest(event, "[data-journey-stop]", SVGElement);
    const at = closest(event, "[data-journey-row]")?.dataset.journeyRow ?? stop?.dataset.journeyStop;
    if (!at) return;
    for (const each of this.root.querySelectorAll(`[data-journey-row="${at}"], [data-journey-stop="${at}"]`)) {
      each.classList.toggle("is-highlighted", on);
      // SVG paints in document order: the highlighted stop comes last, to lie on top.
      if (on && each.matches("[data-journey-stop]") && each !== stop) each.parentNode?.appendChild(each);
    }
  }
}

/**
 * Sets up the page; `close()` of the returned object releases it.
 * @param {HTMLElement} root
 */
export function setUpJourney(root) {
  const journey = new Journey(root);
  root.addEventListener("htmx:afterSettle", () => journey.answered());
  return journey;
}
