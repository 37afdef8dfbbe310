/* A rating panel. Every answer is saved as it is given: a press on the pad, a slider that is let go, a tick. An axis
 * counts only once it was touched, and nothing reads as saved before the server said so.
 */

import { find, findAll, relink } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";
import { give, sendAnswers } from "./pending.js";

// Keys move a slider step by step: it is let go when none was pressed for a moment.
const AFTER_KEYS_MS = 700;
/** @type {FeltValues} */
const NOTHING = { felt_valence: null, felt_arousal: null, liked: null, familiar: null, felt_nothing: false };

/** @type {Record<string, [string, string]>} */
const sides = {
  felt_valence: [gettext("%(share)s %% towards unpleasant"), gettext("%(share)s %% towards pleasant")],
  felt_arousal: [gettext("%(share)s %% towards calm"), gettext("%(share)s %% towards energetic")],
};

/**
 * Writes what a slider says into its aria-valuetext.
 * @param {HTMLInputElement} slider
 * @param {boolean} answered
 */
function describe(slider, answered) {
  const value = Number(slider.value);
  const share = Math.round(Math.abs(value) * 100);
  const side =
    Math.abs(value) < 0.05
      ? gettext("in the middle")
      : interpolate(sides[slider.name][value > 0 ? 1 : 0], { share }, true);
  slider.setAttribute("aria-valuetext", answered ? side : gettext("not answered yet"));
}

/** @type {WeakMap<Element, Panel>} */
const panels = new WeakMap();

/**
 * Returns the panel of a form, made when it is first asked for.
 * @param {HTMLFormElement} form
 */
export function panelOf(form) {
  const panel = panels.get(form) ?? new Panel(form);
  panels.set(form, panel);
  return panel;
}

/** Reports by the event "values" that it shows other answers. */
export class Panel extends EventTarget {
  /** @type {Set<string>} */
  #touched = new Set();
  #timer = 0;
  #pressed = false;
  // Counts answers, so that what the server said before one of them does not take its place.
  #turn = 0;
  /** @type {FeltVerdict["said"]["undo"]} */
  #undo = null;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    super();
    this.form = form;
    this.sliders = findAll(form, "input[type=range]", HTMLInputElement);
    this.nothing = find(form, "[name=felt_nothing]", HTMLInputElement);
    this.familiar = find(form, "[name=familiar][type=checkbox]", HTMLInputElement);
    this.known = this.#read();
    for (const slider of this.sliders) this.#attach(slider);
    this.#attachPlane(find(form, "[data-felt-plane]"));
    form.addEventListener("change", (event) => this.#changed(event.target));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.submitter?.matches("[data-felt-withdraw]")) this.give([], "withdraw/");
    });
    find(form, "[data-felt-undo]").addEventListener("click", () => {
      if (this.#undo) this.give([["undo", this.#undo.token]], "undo/");
    });
    find(form, "[data-felt-again]").addEventListener("click", () => sendAnswers());
    this.show(this.known);
  }

  get song() {
    return this.form.dataset.song ?? "";
  }

  /** Whether the song is marked as liked. */
  get liked() {
    return find(this.form, "[name=liked][value=yes]", HTMLInputElement).checked;
  }

  /** @returns {FeltValues} */
  #read() {
    const liked = this.form.querySelector("[name=liked]:checked")?.getAttribute("value");
    /** @param {string} axis */
    const felt = (axis) => (this.form.hasAttribute(`data-${axis}`) ? this.#slider(`felt_${axis}`).valueAsNumber : null);
    return {
      felt_valence: felt("valence"),
      felt_arousal: felt("arousal"),
      liked: liked ? liked === "yes" : null,
      familiar: this.familiar.checked || null,
      felt_nothing: this.nothing.checked,
    };
  }

  /** @param {string} name */
  #slider(name) {
    return find(this.form, `[name=${name}]`, HTMLInputElement);
  }

  /**
   * Asks about another song, or about none; what was said of the one before is sent first.
   * @param {Pick<Track, "song" | "title" | "feltUrl">} track
   * @param {string} playlist
   */
  async follow({ song, title, feltUrl }, playlist) {
    this.flush();
    find(this.form, "[name=playlist]", HTMLInputElement).value = playlist;
    if (song === this.song) return;
    Object.assign(this.form.dataset, { song, title });
    this.form.action = feltUrl;
    await this.ask();
  }

  /** Shows what this listener said of the song before. */
  async ask() {
    this.#say({});
    find(this.form, "[data-felt-sign-in]").hidden = true;
    this.#turn += 1;
    const turn = this.#turn;
    this.show(NOTHING);
    if (!this.song) return;
    try {
      const answer = await fetch(this.form.action, { headers: { Accept: "application/json" } });
      if (answer.ok && turn === this.#turn) this.show((await answer.json()).values);
    } catch {
      // Offline: earlier answers stay unknown, and new ones wait.
    }
  }

  /** @param {FeltValues} values */
  show(values) {
    const held = document.activeElement;
    this.known = values;
    for (const slider of this.sliders) this.#mark(slider, values[/** @type {"felt_valence"} */ (slider.name)]);
    for (const radio of findAll(this.form, "[name=liked]", HTMLInputElement))
      radio.checked = values.liked !== null && values.liked === (radio.value === "yes");
    this.familiar.checked = values.familiar === true;
    this.nothing.checked = values.felt_nothing;
    const given = Object.values(values).some((value) => value !== null && value !== false) || values.liked === false;
    find(this.form, "[data-felt-withdraw]").hidden = !given;
    this.#holdFocus(held);
    this.dispatchEvent(new Event("values"));
  }

  /**
   * @param {HTMLInputElement} slider
   * @param {number | null} value
   */
  #mark(slider, value) {
    const axis = slider.name.replace("felt_", "");
    slider.value = String(value ?? 0);
    find(this.form, `[name=felt][value=${axis}]`, HTMLInputElement).checked = value !== null;
    this.form.toggleAttribute(`data-${axis}`, value !== null);
    this.form.style.setProperty(`--${axis}`, String(slider.valueAsNumber));
    describe(slider, value !== null);
  }

  /* Giving answers ----------------------------------------------------------------------------------------------- */

  /** @param {HTMLInputElement} slider */
  #attach(slider) {
    slider.addEventListener("input", () => this.#touch(slider));
    // Leaving the thumb in the middle on purpose is an answer too, by pointer or by the space bar.
    slider.addEventListener("pointerdown", () => {
      this.#pressed = true;
      this.#touch(slider);
    });
    for (const type of ["pointerup", "pointercancel"])
      slider.addEventListener(type, () => {
        this.#pressed = false;
        this.flush();
      });
    slider.addEventListener("blur", () => this.flush());
    slider.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      this.#touch(slider);
    });
  }

  /** @param {HTMLElement} plane */
  #attachPlane(plane) {
    /** @param {PointerEvent} event */
    const place = (event) => {
      const box = plane.getBoundingClientRect();
      const [valence, arousal] = [
        ((event.clientX - box.left) / box.width) * 2 - 1,
        1 - ((event.clientY - box.top) / box.height) * 2,
      ];
      for (const [name, value] of Object.entries({ felt_valence: valence, felt_arousal: arousal })) {
        // The slider rounds the value to its step and keeps it in its range.
        this.#slider(name).value = String(value);
        this.#touch(this.#slider(name));
      }
    };
    plane.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      plane.setPointerCapture(event.pointerId);
      this.#pressed = true;
      place(event);
    });
    plane.addEventListener("pointermove", (event) => {
      if (plane.hasPointerCapture(event.pointerId)) place(event);
    });
    plane.addEventListener("pointerup", () => {
      this.#pressed = false;
      this.flush();
    });
    // The system took the pointer away, to scroll for instance: nothing was meant.
    plane.addEventListener("pointercancel", () => {
      this.#pressed = false;
      this.#touched.clear();
      this.show(this.known);
    });
  }

  /** @param {HTMLInputElement} slider */
  #touch(slider) {
    this.#touched.add(slider.name);
    this.#mark(slider, slider.valueAsNumber);
    // A feeling and "felt nothing" answer the same question; the later one counts.
    this.nothing.checked = false;
    this.#say({});
    clearTimeout(this.#timer);
    if (!this.#pressed) this.#timer = setTimeout(() => this.flush(), AFTER_KEYS_MS);
  }

  /** Sends what was said on the axes and not sent yet. */
  flush() {
    clearTimeout(this.#timer);
    if (!this.#touched.size) return;
    const values = [...this.#touched].flatMap((name) => [
      ["felt", name.replace("felt_", "")],
      [name, this.#slider(name).value],
    ]);
    this.#touched.clear();
    this.give(/** @type {[string, string][]} */ (values));
  }

  /** @param {EventTarget | null} target */
  #changed(target) {
    if (!(target instanceof HTMLInputElement) || target.type === "range" || target.name === "felt") return;
    if (target === this.nothing && target.checked) {
      this.#touched.clear();
      for (const slider of this.sliders) this.#mark(slider, null);
    }
    if (target.checked) this.give([[target.name, target.value]]);
    else this.withdraw(target.name);
  }

  /** @param {string} name */
  withdraw(name) {
    this.give([["only", name]], "withdraw/");
  }

  /** Likes the song, or takes that back. */
  like() {
    const radio = find(this.form, "[name=liked][value=yes]", HTMLInputElement);
    radio.checked = !radio.checked;
    this.dispatchEvent(new Event("values"));
    this.#changed(radio);
  }

  /**
   * @param {[string, string][]} values
   * @param {string} what
   */
  give(values, what = "") {
    this.#turn += 1;
    this.#say({});
    const url = new URL(what, new URL(this.form.action, location.href)).pathname;
    const playlist = find(this.form, "[name=playlist]", HTMLInputElement).value;
    const title = this.form.dataset.title ?? "";
    give({ song: this.song, title, url, values: [...values, ["playlist", playlist]] });
  }

  /* What became of them ------------------------------------------------------------------------------------------ */

  /** @param {FeltVerdict} verdict */
  heard({ status, said, isStored, isLast }) {
    if (status === 200) {
      // What is still on its way stays as it was given.
      if (!this.#touched.size && isLast) this.show(said.values ?? this.known);
      // What was given since says by itself what becomes of it.
      if (isLast) this.#say({ done: [said.sentence, said.reranked].filter(Boolean).join(" "), undo: said.undo });
      if (said.sign_in) this.#askToSignIn();
      return;
    }
    if (status) this.show(this.known);
    this.#say({ problem: problemOf(status, said, isStored), again: !status });
  }

  /** @param {{ done?: string, problem?: string, again?: boolean, undo?: FeltVerdict["said"]["undo"] }} what */
  #say({ done = "", problem = "", again = false, undo = null }) {
    const held = document.activeElement;
    const [saved, wrong] = [find(this.form, "[data-felt-saved]"), find(this.form, "[data-felt-problem]")];
    saved.textContent = done;
    this.#undo = undo;
    find(this.form, "[data-felt-undo]").hidden = !undo;
    wrong.hidden = !problem;
    find(wrong, "p").textContent = problem;
    find(wrong, "[data-felt-again]").hidden = !again;
    this.#holdFocus(held);
  }

  /**
   * A button that went after it was pressed gives the focus back to the answers.
   * @param {Element | null} held
   */
  #holdFocus(held) {
    if (this.form.contains(held) && held?.closest("[hidden]")) this.sliders[0].focus();
  }

  #askToSignIn() {
    const box = find(this.form, "[data-felt-sign-in]");
    box.hidden = false;
    // The sentence above says the same.
    find(box, "p").hidden = true;
    const back = `?next=${encodeURIComponent(location.pathname + location.search)}`;
    for (const link of findAll(box, "a", HTMLAnchorElement)) relink(link, link.pathname + back);
  }
}

/**
 * @param {number} status
 * @param {FeltVerdict["said"]} said
 * @param {boolean} isStored
 */
export function problemOf(status, said, isStored) {
  if (!status && !isStored) return gettext("Not saved: the server does not answer. Your answer is still in the form.");
  if (!status)
    return gettext(
      "Not saved: the server does not answer. Your answer is stored here and will be sent when the server is back.",
    );
  if (said.sentence) return said.sentence;
  if (status === 403) return gettext("Not saved: this page has expired. Reload it and answer again.");
  if (status === 404) return gettext("Not saved: this song or playlist no longer exists.");
  return gettext("Not saved. Try again in a moment.");
}

/** @param {ParentNode} root */
export function panelsIn(root) {
  return findAll(root, "form[data-felt]", HTMLFormElement).map(panelOf);
}

document.addEventListener("felt:said", ({ detail }) => {
  for (const panel of panelsIn(document)) if (panel.song === detail.song) panel.heard(detail);
});
