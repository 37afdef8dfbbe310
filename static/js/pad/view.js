/* A plane on the screen: dots on one canvas that is painted again only when songs, size or theme change, and on another
 * above it the dots that are close to the cursor. Turns places of the plane into places of the element and back.
 */

import { find } from "../shared/dom.js";
import { paintDots, rgbaOf } from "./dots.js";
import { fetchPoints } from "./points.js";

// The plane's edge lies this share inside the element, so that a song on the very edge is whole; as in emotion's tags.
const MARGIN = 0.05;
const STEP = 0.01;
/** Songs this close to a place are "close to here". */
export const NEAR = 0.3;
/** A dot that a pointer is so many pixels away from is pointed at. */
const REACH_PX = 14;

/** @param {number} value */
export const clamp = (value) => Math.min(1, Math.max(-1, value));
/**
 * Returns a value on the sliders' steps.
 * @param {number} value
 */
export const toStep = (value) => Number((Math.round(clamp(value) / STEP) * STEP).toFixed(2));
/**
 * Returns where a valence (or a negated arousal) lies, in percent of the element.
 * @param {number} value
 */
export const percent = (value) => 100 * (MARGIN + ((value + 1) / 2) * (1 - 2 * MARGIN));

/** @param {HTMLCanvasElement} canvas */
function contextOf(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new TypeError("This browser has no canvas.");
  return context;
}

export class PlaneView {
  /**
   */
  /**
   * @param {HTMLElement} plane
   * @param {string} pointsUrl
   */
  constructor(plane, pointsUrl) {
    this.plane = plane;
    this.dots = find(plane, "[data-plane-dots]", HTMLCanvasElement);
    this.lit = find(plane, "[data-plane-lit]", HTMLCanvasElement);
    this.pointsUrl = pointsUrl;
    /** @type {Points | null} */
    this.points = null;
    this.size = 0;
    this.scale = 1;
    this.xs = new Float32Array();
    this.ys = new Float32Array();
    this.colours = { dot: "", ink: "", paper: "" };
    /** @type {Uint8ClampedArray} */
    this.ink = new Uint8ClampedArray(4);
    /** @type {[v: number, a: number, chosen: number] | null} */
    this.litAt = null;
    /** @type {Box | null} */
    this.litBox = null;
    this.ondraw = () => {};
    this.repaint = () => this.paint();
    this.resizing = new ResizeObserver(this.repaint);
    this.resizing.observe(plane);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.repaint);
    // Choosing a theme on the page changes an attribute of the root.
    this.themes = new MutationObserver(this.repaint);
    this.themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  /** Lets go of what outlives the element. */
  close() {
    this.resizing.disconnect();
    this.themes.disconnect();
    this.scheme.removeEventListener("change", this.repaint);
  }

  /** Fetches the songs and paints them. */
  async load() {
    const points = await fetchPoints(this.pointsUrl);
    if (!points || !this.plane.isConnected) return;
    this.points = points;
    this.plane.dataset.songs = String(points.nSongs);
    this.paint();
    this.ondraw();
  }

  /**
   * Returns the place of the plane under a pointer.
   * @param {MouseEvent} event
   * @returns {Place}
   */
  placeOf(event) {
    const box = this.plane.getBoundingClientRect();
    const inner = 1 - 2 * MARGIN;
    const x = ((event.clientX - box.left) / box.width - MARGIN) / inner;
    const y = ((event.clientY - box.top) / box.height - MARGIN) / inner;
    return [toStep(x * 2 - 1), toStep(1 - y * 2)];
  }

  /**
   * Puts an element at a place of the plane.
   * @param {HTMLElement} element
   * @param {number} v
   * @param {number} a
   */
  put(element, v, a) {
    element.style.setProperty("--x", `${percent(v).toFixed(2)}%`);
    element.style.setProperty("--y", `${percent(-a).toFixed(2)}%`);
  }

  /**
   * Returns the dot that is pointed at, or -1.
   * @param {number} v
   * @param {number} a
   */
  pointed(v, a) {
    if (!this.points || !this.size) return -1;
    return this.points.nearest(v, a, (REACH_PX / (this.size * (1 - 2 * MARGIN))) * 2);
  }

  /**
   * Returns the dot nearest to a place among those close to it, or -1.
   * @param {number} v
   * @param {number} a
   */
  nearest(v, a) {
    return this.points ? this.points.nearest(v, a, NEAR) : -1;
  }

  paint() {
    this.size = this.plane.clientWidth;
    if (!this.size) return;
    this.scale = window.devicePixelRatio || 1;
    for (const canvas of [this.dots, this.lit]) canvas.width = canvas.height = Math.round(this.size * this.scale);
    const style = getComputedStyle(this.plane);
    const [dot, ink, paper] = ["--plane-dot", "--plane-lit", "--plane-halo"].map((name) =>
      style.getPropertyValue(name),
    );
    this.colours = { dot, ink, paper };
    this.ink = rgbaOf(ink);
    if (!this.points) return;
    const { length, valence, arousal } = this.points;
    this.xs = Float32Array.from({ length }, (_, dot) => this.pixel(valence[dot]));
    this.ys = Float32Array.from({ length }, (_, dot) => this.pixel(-arousal[dot]));
    const context = contextOf(this.dots);
    const all = { left: 0, top: 0, width: this.dots.width, height: this.dots.width };
    const { xs, ys, radius, alpha } = this;
    paintDots(context, all, { xs, ys, radius, rgba: rgbaOf(dot), alpha });
    if (this.points.nCells) this.paintDensity(context, this.points);
    if (this.litAt) this.light(...this.litAt);
  }

  /**
   * Returns where a valence (or a negated arousal) lies on a canvas.
   * @param {number} value
   */
  pixel(value) {
    return (percent(value) / 100) * this.size * this.scale;
  }

  /** The more dots, the smaller and fainter; where several lie on each other they add up. */
  get radius() {
    const n = this.points?.length ?? 0;
    // A handful of songs fills a large plane only with large dots.
    const few = Math.max(4.5, this.size / 110);
    const radius = this.points?.nCells ? 1.5 : n <= 100 ? few : n <= 1000 ? 3.5 : n <= 5000 ? 2.4 : 1.8;
    return radius * this.scale;
  }

  get alpha() {
    const n = this.points?.length ?? 0;
    return this.points?.nCells ? 0.5 : n <= 1000 ? 1 : n <= 5000 ? 0.75 : 0.6;
  }

  /**
   * Paints how many songs a cell holds as the strength of a soft cloud: the browser smooths it when it is scaled.
   * @param {CanvasRenderingContext2D} context
   * @param {Points} points
   */
  paintDensity(context, { nCells, cells }) {
    // An empty cell all around lets the cloud fade out.
    const small = new OffscreenCanvas(nCells + 2, nCells + 2);
    const ink = small.getContext("2d");
    if (!ink) return;
    ink.fillStyle = this.colours.dot;
    const most = cells.reduce((least, count) => Math.max(least, count), 0);
    for (let cell = 0; cell < cells.length; cell++) {
      if (!cells[cell]) continue;
      ink.globalAlpha = Math.sqrt(cells[cell] / most);
      ink.fillRect(1 + (cell % nCells), nCells - Math.floor(cell / nCells), 1, 1);
    }
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    const whole = this.size * this.scale;
    const edge = (whole * (1 - 2 * MARGIN)) / nCells;
    const corner = whole * MARGIN - edge;
    // Under the dots, which are there already.
    context.globalCompositeOperation = "destination-over";
    context.drawImage(small, corner, corner, whole - 2 * corner, whole - 2 * corner);
    context.globalCompositeOperation = "source-over";
  }

  /**
   * Lights up the dots close to a place, and one of them more.
   * @param {number} v
   * @param {number} a
   * @param {number} [chosen]
   */
  light(v, a, chosen = -1) {
    this.dark();
    this.litAt = [v, a, chosen];
    if (!this.points || !this.xs.length) return;
    const context = contextOf(this.lit);
    const { xs, ys, radius } = this;
    const reach = (NEAR / 2) * (1 - 2 * MARGIN) * this.size * this.scale + 12 * this.scale;
    const box = { left: this.pixel(v) - reach, top: this.pixel(-a) - reach, width: 2 * reach, height: 2 * reach };
    this.litBox = box;
    paintDots(context, box, { xs, ys, dots: this.points.around(v, a, NEAR), radius, rgba: this.ink, alpha: 0.8 });
    if (chosen < 0 || chosen >= this.points.length) return;
    for (const [size, colour] of /** @type {const} */ ([
      [8, this.colours.paper],
      [5.5, this.colours.ink],
    ])) {
      context.fillStyle = colour;
      context.beginPath();
      context.arc(xs[chosen], ys[chosen], size * this.scale, 0, 2 * Math.PI);
      context.fill();
    }
  }

  /** Puts the lights out, where there are any. */
  dark() {
    this.litAt = null;
    if (!this.litBox) return;
    const { left, top, width, height } = this.litBox;
    contextOf(this.lit).clearRect(left - 1, top - 1, width + 2, height + 2);
    this.litBox = null;
  }
}
