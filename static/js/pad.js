/* The mood pad: a picture of the plane over two real sliders. The sliders are the truth; the picture only mirrors
 * and moves them, so a keyboard or a screen reader needs nothing of what is drawn here.
 */

const NEAR = 0.3;
const STEP = 0.02;

const clamp = (value) => Math.min(1, Math.max(-1, value));
const signed = (value) => (Math.abs(value) < 0.005 ? "0.0" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`);

/** Returns how far a value lies towards a word: "neutral", "slightly calm", "calm", "very calm". */
function inWords(value, low, high) {
  const size = Math.abs(value);
  if (size < 0.1) return "neutral";
  const word = value > 0 ? high : low;
  if (size < 0.35) return `slightly ${word}`;
  return size < 0.75 ? word : `very ${word}`;
}

class Pad {
  constructor(root) {
    this.root = root;
    this.plane = root.querySelector("[data-pad-plane]");
    this.canvas = root.querySelector("canvas");
    this.puck = root.querySelector("[data-pad-puck]");
    this.valence = root.querySelector("[name$=valence]");
    this.arousal = root.querySelector("[name$=arousal]");
    this.near = root.querySelector("[data-pad-near]");
    this.points = [];
    this.listen();
    this.show();
    this.load();
  }

  listen() {
    for (const slider of [this.valence, this.arousal]) slider.addEventListener("input", () => this.show());
    this.plane.addEventListener("pointerdown", (event) => {
      this.plane.setPointerCapture(event.pointerId);
      this.follow(event);
    });
    this.plane.addEventListener("pointermove", (event) => {
      if (this.plane.hasPointerCapture(event.pointerId)) this.follow(event);
    });
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.plane);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => this.draw();
    this.scheme.addEventListener("change", this.redraw);
  }

  /** Lets go of what outlives the element. */
  close() {
    this.resizing.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
  }

  async load() {
    const answer = await fetch(this.root.dataset.pointsUrl, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    this.points = (await answer.json()).points;
    this.draw();
    this.show();
  }

  follow(event) {
    const box = this.plane.getBoundingClientRect();
    const toStep = (value) => Math.round(clamp(value) / STEP) * STEP;
    this.valence.value = toStep(((event.clientX - box.left) / box.width) * 2 - 1);
    this.arousal.value = toStep(1 - ((event.clientY - box.top) / box.height) * 2);
    this.show();
  }

  show() {
    const v = Number(this.valence.value);
    const a = Number(this.arousal.value);
    this.puck.style.left = `${(v + 1) * 50}%`;
    this.puck.style.top = `${(1 - a) * 50}%`;
    this.valence.setAttribute("aria-valuetext", `valence ${signed(v)}, ${inWords(v, "unpleasant", "pleasant")}`);
    this.arousal.setAttribute("aria-valuetext", `arousal ${signed(a)}, ${inWords(a, "calm", "energetic")}`);
    if (!this.near) return;
    const count = this.points.filter(([, pv, pa]) => Math.hypot(pv - v, pa - a) <= NEAR).length;
    this.near.textContent = count === 1 ? "1 song close to here" : `${count || "No"} songs close to here`;
  }

  draw() {
    const size = this.plane.clientWidth;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = this.canvas.height = Math.round(size * scale);
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    context.fillStyle = getComputedStyle(this.plane).getPropertyValue("--plane-dot");
    const radius = this.points.length > 500 ? 2 : 3.5;
    for (const [, v, a] of this.points) {
      context.beginPath();
      // A dot on the very edge stays whole.
      context.arc(radius + ((v + 1) / 2) * (size - 2 * radius), radius + ((1 - a) / 2) * (size - 2 * radius), radius, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

const pads = new Map();

document.addEventListener("htmx:load", (event) => {
  for (const [root, pad] of pads) {
    if (root.isConnected) continue;
    pad.close();
    pads.delete(root);
  }
  for (const root of event.detail.elt.querySelectorAll("[data-pad]")) {
    if (!pads.has(root)) pads.set(root, new Pad(root));
  }
});
