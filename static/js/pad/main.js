/* The mood pad: a picture of the plane over two real sliders. The sliders are the truth; the picture only mirrors and
 * moves them, so a keyboard or a screen reader needs nothing from the picture. A press plays around a place, a drag draws
 * a journey, and after the chip "How are you now?" a press says a mood; a button next to the sliders does each of them too.
 */

import { closest, find, findAll } from "../shared/dom.js";
import { gettext } from "../shared/i18n.js";
import { setUpJourney } from "./journey.js";
import { Names, showCard } from "./names.js";
import { arousalText, countWords, placeWords, valenceText } from "./place_text.js";
import { NEAR, PlaneView, percent } from "./view.js";

// A press that moved less than this is none that drags; a finger is less steady than a mouse.
/** @type {Record<string, number>} */
const DRAG_PX = { mouse: 6, pen: 8, touch: 12 };
const SAID_AFTER_MS = 500;
const HEAD = 3.4;

/**
 * @typedef {object} Press
 * @property {number} id
 * @property {string} kind
 * @property {number} x
 * @property {number} y
 * @property {Place} place
 * @property {boolean} dragged
 */

class Pad {
  /** @param {HTMLFormElement} root */
  constructor(root) {
    this.root = root;
    /**
     * @template {typeof Element} [T=typeof HTMLElement]
     * @param {string} name
     * @param {T} [type]
     */
    const part = (name, type) => find(root, `[data-pad-${name}]`, type);
    this.plane = find(root, "[data-plane]");
    this.card = find(root, "[data-plane-card]");
    this.valence = find(root, "[name=valence]", HTMLInputElement);
    this.arousal = find(root, "[name=arousal]", HTMLInputElement);
    this.puck = part("puck");
    this.mood = part("mood");
    this.startMark = part("start");
    this.endTag = part("end-tag");
    this.reach = part("reach", SVGElement);
    this.arrow = part("arrow", SVGElement);
    this.head = part("arrow-head", SVGElement);
    this.near = part("near");
    this.said = part("said");
    this.hint = find(root, "[data-press-message]");
    this.hintAtRest = this.hint.textContent;
    this.fine = find(root, "[data-fine-tune]", HTMLDetailsElement);
    // Whether the next press says the listener's mood.
    this.asking = false;
    this.names = new Names(root.dataset.songUrl ?? "");
    this.view = new PlaneView(this.plane, root.dataset.pointsUrl ?? "");
    this.view.ondraw = () => this.show();
    /** @type {Press | null} */
    this.press = null;
    /** @type {Place | null} */
    this.hovering = null;
    /** @type {number | undefined} */
    this.pointedAt = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.saying = undefined;
    this.painting = 0;
    /** @type {string | undefined} */
    this.analysed = undefined;
    /** @param {KeyboardEvent} event */
    this.onkey = (event) => {
      if (event.key === "Escape") this.cancel();
    };
    this.listen();
    this.takeMood();
    this.show();
    this.view.load();
  }

  close() {
    this.names.forget();
    this.view.close();
    document.removeEventListener("keydown", this.onkey);
  }

  /** @returns {Place} */
  get place() {
    return [Number(this.valence.value), Number(this.arousal.value)];
  }

  listen() {
    for (const slider of [this.valence, this.arousal]) {
      slider.addEventListener("input", () => {
        this.show();
        this.tellPlace();
      });
      slider.addEventListener("focus", () => {
        if (slider.matches(":focus-visible")) this.tellPlace();
      });
      slider.addEventListener("blur", () => this.rest());
    }
    this.fine.addEventListener("toggle", () => this.show());
    this.root.addEventListener("click", (event) => {
      if (!closest(event, "[data-mood-asked]")) return;
      this.ask(!this.asking);
      // Pressed by a key: the plane is for pointers, the sliders are for keys.
      if (event.detail || !this.asking) return;
      this.fine.open = true;
      this.valence.focus();
    });
    this.plane.addEventListener("pointerdown", (event) => this.down(event));
    this.plane.addEventListener("pointermove", (event) => this.move(event));
    this.plane.addEventListener("pointerup", (event) => this.up(event));
    this.plane.addEventListener("pointercancel", () => this.cancel());
    this.plane.addEventListener("pointerleave", () => {
      if (!this.press) this.rest();
    });
    document.addEventListener("keydown", this.onkey);
  }

  /* Display ------------------------------------------------------------------------------------------------------ */

  /** Puts the puck where the sliders are and says so. */
  show() {
    const [v, a] = this.place;
    this.view.put(this.puck, v, a);
    this.valence.setAttribute("aria-valuetext", valenceText(v));
    this.arousal.setAttribute("aria-valuetext", arousalText(a));
    const isTuned = this.fine.open || this.asking;
    this.plane.classList.toggle("is-tuned", isTuned);
    this.plane.classList.toggle("is-aimed", isTuned);
    if (isTuned) this.count(v, a);
    else this.near.textContent = "";
  }

  /**
   * Says what lies around a place, and returns how many songs.
   * @param {number} v
   * @param {number} a
   */
  count(v, a) {
    this.reach.setAttribute("cx", String(percent(v)));
    this.reach.setAttribute("cy", String(percent(-a)));
    if (!this.view.points) return "";
    const words = countWords(this.view.points.count(v, a, NEAR), this.view.points.nCells > 0);
    this.near.textContent = `${placeWords(v, a)} · ${words}`;
    return words;
  }

  /** Shows the song nearest to the sliders' place and says it, once they rest. */
  tellPlace() {
    const [v, a] = this.place;
    const dot = this.view.nearest(v, a);
    this.view.light(v, a, dot);
    clearTimeout(this.saying);
    const words = this.count(v, a);
    this.card.hidden = true;
    const { points } = this.view;
    if (dot < 0 || !points) {
      this.saying = setTimeout(() => {
        this.said.textContent = words;
      }, SAID_AFTER_MS);
      return;
    }
    this.names.ask(points.id[dot], (fragment) => {
      const spoken = findAll(fragment, "[data-spoken]")[0]?.dataset.spoken ?? "";
      showCard(this.view, this.card, fragment, points.valence[dot], points.arousal[dot]);
      this.saying = setTimeout(() => {
        this.said.textContent = `${words}. ${spoken}`;
      }, SAID_AFTER_MS);
    });
  }

  /**
   * Lights up the songs close to the pointer, and names the one under it.
   * @param {number} v
   * @param {number} a
   */
  hover(v, a) {
    this.hovering = [v, a];
    if (this.painting) return;
    this.painting = requestAnimationFrame(() => {
      this.painting = 0;
      if (!this.hovering) return;
      const dot = this.view.pointed(...this.hovering);
      this.view.light(...this.hovering, dot);
      this.plane.classList.add("is-aimed");
      this.count(...this.hovering);
      this.point(dot);
    });
  }

  /** @param {number} dot */
  point(dot) {
    if (dot === this.pointedAt) return;
    this.pointedAt = dot;
    this.card.hidden = true;
    this.plane.classList.toggle("is-pointed", dot >= 0);
    if (dot < 0 || !this.view.points) return this.names.forget();
    const { id, valence, arousal } = this.view.points;
    this.names.ask(id[dot], (fragment) => showCard(this.view, this.card, fragment, valence[dot], arousal[dot]));
  }

  /** Leaves the plane unlit while no pointer is on it. */
  rest() {
    this.hovering = null;
    this.pointedAt = undefined;
    this.names.forget();
    clearTimeout(this.saying);
    this.card.hidden = true;
    this.plane.classList.remove("is-pointed");
    this.view.dark();
    this.show();
  }

  /** Marks the listener's reported mood, which the partial `mood_now` holds. */
  takeMood() {
    const { valence, arousal } = document.getElementById("mood-now")?.dataset ?? {};
    this.mood.hidden = valence === undefined;
    if (valence !== undefined) this.view.put(this.mood, Number(valence), Number(arousal));
    this.ask(false);
  }

  /**
   * Takes the next press as the listener's mood, or no longer.
   * @param {boolean} isAsking
   */
  ask(isAsking) {
    this.asking = isAsking;
    for (const chip of findAll(this.root, "[data-mood-asked]")) chip.setAttribute("aria-pressed", String(isAsking));
    this.hint.textContent = isAsking ? gettext("Press where you are now. Only you can see it.") : this.hintAtRest;
    this.show();
  }

  /** @param {Place | null} place */
  setStart(place) {
    this.startMark.hidden = !place;
    if (place) this.view.put(this.startMark, ...place);
  }

  /* Pressing ----------------------------------------------------------------------------------------------------- */

  /** @param {PointerEvent} event */
  down(event) {
    if (event.button !== 0 || this.press) return;
    this.plane.setPointerCapture(event.pointerId);
    const place = this.view.placeOf(event);
    this.press = {
      id: event.pointerId,
      kind: event.pointerType,
      x: event.clientX,
      y: event.clientY,
      place,
      dragged: false,
    };
    if (this.asking) this.setSliders(place);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const place = this.view.placeOf(event);
    if (!this.press) {
      if (event.pointerType !== "touch") this.hover(...place);
      return;
    }
    if (event.pointerId !== this.press.id) return;
    if (this.asking) {
      this.setSliders(place);
      return;
    }
    const away = this.isAway(event, this.press);
    this.press.dragged ||= away;
    if (!this.press.dragged) return;
    this.hover(...place);
    // Back where it began, the journey is given up unless the pointer leaves again.
    this.draw(away ? place : null);
  }

  /** @param {PointerEvent} event */
  up(event) {
    const press = this.press;
    if (!press || event.pointerId !== press.id) return;
    this.press = null;
    const place = this.view.placeOf(event);
    if (this.asking) this.reportMood(place);
    else if (!press.dragged) this.play(press.place);
    else if (this.isAway(event, press)) this.go(press.place, place);
    else this.draw(null);
  }

  /**
   * @param {PointerEvent} event
   * @param {Press} press
   */
  isAway(event, press) {
    return Math.hypot(event.clientX - press.x, event.clientY - press.y) > (DRAG_PX[press.kind] ?? DRAG_PX.touch);
  }

  cancel() {
    this.press = null;
    this.draw(null);
    if (this.asking) this.ask(false);
    this.card.hidden = true;
  }

  /**
   * Draws the journey that would be made; null takes it away.
   * @param {Place | null} end
   */
  draw(end) {
    this.plane.classList.toggle("is-drawing", Boolean(end));
    this.endTag.hidden = !end;
    const start = this.press?.place;
    if (!end || !start) {
      this.setStart(null);
      return;
    }
    this.setStart(start);
    const [x1, y1] = [percent(start[0]), percent(-start[1])];
    const [x2, y2] = [percent(end[0]), percent(-end[1])];
    for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) this.arrow.setAttribute(name, String(value));
    this.head.setAttribute("d", headOf(x1, y1, x2, y2));
    this.view.put(this.endTag, ...end);
    // The names stand off the line, not on it.
    this.endTag.classList.toggle("is-below", end[1] < start[1]);
    this.startMark.classList.toggle("is-below", end[1] > start[1]);
  }

  /* Doing -------------------------------------------------------------------------------------------------------- */

  /** @param {Place} place */
  setSliders([v, a]) {
    this.valence.value = String(v);
    this.arousal.value = String(a);
    this.show();
  }

  /** @param {Place} place */
  play(place) {
    this.setSliders(place);
    this.root.requestSubmit(find(this.root, "[data-press-does=play]"));
  }

  /** @param {Place} place */
  reportMood(place) {
    this.setSliders(place);
    find(this.root, "[data-press-does=mood]").click();
    // One tap says it; the next press plays again.
    this.ask(false);
  }

  /**
   * @param {Place} start
   * @param {Place} end
   */
  go(start, end) {
    const form = find(document, "#pad-journey", HTMLFormElement);
    /** @type {Record<string, string | number>} */
    const values = {
      start_valence: start[0],
      start_arousal: start[1],
      end_valence: end[0],
      end_arousal: end[1],
    };
    for (const field of findAll(this.root, "[data-limits] [name]", HTMLSelectElement)) values[field.name] = field.value;
    form.replaceChildren(
      ...Object.entries(values)
        .filter(([, value]) => value !== "")
        .map(([name, value]) => {
          const field = document.createElement("input");
          Object.assign(field, { type: "hidden", name, value });
          return field;
        }),
    );
    form.requestSubmit();
  }
}

/**
 * Returns the two strokes of an arrow's head.
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 */
function headOf(x1, y1, x2, y2) {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
  /**
   */
  /** @param {number} side */
  const point = (side) =>
    `${(x2 - HEAD * (ux - side * uy * 0.6)).toFixed(2)} ${(y2 - HEAD * (uy + side * ux * 0.6)).toFixed(2)}`;
  return `M${point(1)}L${x2.toFixed(2)} ${y2.toFixed(2)}L${point(-1)}`;
}

/* Limits ---------------------------------------------------------------------------------------------------------- */

/**
 * Shows the current settings next to a folded `<details data-limits>`.
 * @param {HTMLElement} root
 */
function setUpLimits(root) {
  const show = () => {
    const said = [];
    for (const field of /** @type {(HTMLSelectElement | HTMLInputElement)[]} */ (findAll(root, "[data-limit]"))) {
      if (!field.value && field.dataset.limit !== "always") continue;
      said.push(field instanceof HTMLSelectElement ? field.selectedOptions[0]?.textContent.trim() : field.value);
    }
    find(root, "[data-limits-set]").textContent = said.filter(Boolean).join(" · ");
  };
  root.addEventListener("input", show);
  root.addEventListener("change", show);
  show();
}

/* Setting up ------------------------------------------------------------------------------------------------------ */

/** @type {Map<HTMLElement, Pad | ReturnType<typeof setUpJourney>>} */
const alive = new Map();

/**
 * @param {HTMLElement} root
 * @param {() => Pad | ReturnType<typeof setUpJourney>} make
 */
function adopt(root, make) {
  if (!alive.has(root)) alive.set(root, make());
}

document.addEventListener("htmx:load", (event) => {
  for (const [root, made] of alive) {
    if (root.isConnected) continue;
    made.close();
    alive.delete(root);
  }
  const elt = event.detail.elt;
  for (const root of findAll(elt, "[data-pad]", HTMLFormElement)) adopt(root, () => new Pad(root));
  for (const root of findAll(elt, "[data-journey]")) adopt(root, () => setUpJourney(root));
  for (const root of findAll(elt, "[data-limits]")) setUpLimits(root);
  const pads = [...alive.values()].filter((made) => made instanceof Pad);
  if (elt.id === "mood-now") for (const pad of pads) pad.takeMood();
  // While the model analyses songs, the plane fills.
  if (elt.id === "analysis-progress" && elt.dataset.analysed !== undefined)
    for (const pad of pads)
      if (pad.analysed !== elt.dataset.analysed) {
        pad.analysed = elt.dataset.analysed;
        pad.view.load();
      }
});
