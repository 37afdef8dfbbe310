/* The felt rating: sliders count only once they were touched, the panel follows the song that plays, and an answer that
 * could not be saved is neither lost nor in the way of the music.
 */

import { closest, find, findAll } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";
import "./moodmap.js";
import { forgetAnswer, keepAnswer } from "./pending.js";

const player = find(document, "#player");

/** @type {Record<string, [string, string]>} */
const sides = {
  felt_valence: [gettext("%(share)s %% towards unpleasant"), gettext("%(share)s %% towards pleasant")],
  felt_arousal: [gettext("%(share)s %% towards calm"), gettext("%(share)s %% towards energetic")],
};

/**
 * Writes what a slider says into its aria-valuetext.
 * @param {HTMLInputElement} slider
 * @param {boolean} touched
 */
function describe(slider, touched) {
  const value = Number(slider.value);
  const share = Math.round(Math.abs(value) * 100);
  const side =
    Math.abs(value) < 0.05
      ? gettext("in the middle")
      : interpolate(sides[slider.name][value > 0 ? 1 : 0], { share }, true);
  slider.setAttribute("aria-valuetext", touched ? side : gettext("not answered yet"));
}

/** @param {HTMLFormElement} form */
function setUp(form) {
  if (form.dataset.ready) return;
  form.dataset.ready = "true";
  const check = find(form, "[name=felt]", HTMLInputElement);
  const nothing = find(form, "[name=felt_nothing]", HTMLInputElement);
  const sliders = findAll(form, "input[type=range]", HTMLInputElement);
  const show = () => {
    form.classList.toggle("is-untouched", !check.checked);
    for (const slider of sliders) describe(slider, check.checked);
  };
  /**
   */
  /** @param {boolean} felt */
  const answer = (felt) => {
    check.checked = felt;
    if (felt) nothing.checked = false;
    form.dataset.unsaved = "true";
    show();
  };
  for (const slider of sliders) {
    slider.addEventListener("input", () => answer(true));
    // Leaving the thumb in the middle on purpose is an answer too, by pointer or by the space bar.
    slider.addEventListener("pointerdown", () => answer(true));
    slider.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      answer(true);
    });
  }
  // A feeling and "felt nothing" answer the same question; the later one counts.
  nothing.addEventListener("change", () => {
    if (nothing.checked) answer(false);
  });
  form.addEventListener("input", () => {
    form.dataset.unsaved = "true";
  });
  form.addEventListener("htmx:beforeRequest", () => tell(form, ""));
  form.addEventListener("htmx:sendError", () => wait(form));
  form.addEventListener("htmx:timeout", () => wait(form));
  form.addEventListener("htmx:responseError", (event) => refused(form, /** @type {HtmxEvent} */ (event).detail));
  form.addEventListener("htmx:afterRequest", (event) => {
    if (/** @type {HtmxEvent} */ (event).detail.successful) forgetAnswer(songOf(form));
  });
  show();
}

/** @param {HTMLFormElement} form */
function songOf(form) {
  return /** @type {HTMLElement | null} */ (form.closest("#felt"))?.dataset.song ?? "";
}

/* What became of it ------------------------------------------------------------------------------------------- */

/**
 * @param {HTMLFormElement} form
 * @param {string} sentence
 */
function tell(form, sentence) {
  const problem = find(form, "[data-felt-problem]");
  problem.hidden = !sentence;
  find(problem, "p").textContent = sentence;
}

/**
 * The server cannot be reached: the answer stays in the form, and waits in this browser until it can be sent.
 * @param {HTMLFormElement} form
 */
function wait(form) {
  const values = Array.from(
    new FormData(form),
    ([name, value]) => /** @type {[string, string]} */ ([name, String(value)]),
  ).filter(([name]) => !["csrfmiddlewaretoken", "undo"].includes(name));
  const kept = keepAnswer({ song: songOf(form), url: form.action, title: form.dataset.title ?? "", values });
  // Another song may be rated meanwhile.
  if (kept) delete form.dataset.unsaved;
  tell(
    form,
    kept
      ? gettext(
          "Not saved: the server does not answer. Your answer is stored here and will be sent when the server is back.",
        )
      : gettext("Not saved: the server does not answer. Your answer is still in the form."),
  );
}

/**
 * @param {HTMLFormElement} form
 * @param {HtmxDetail} detail
 */
function refused(form, { xhr }) {
  if (xhr.status === 429 || xhr.status >= 500) wait(form);
  else if (xhr.status === 403) tell(form, gettext("Not saved: this page has expired. Reload it and answer again."));
  else if (xhr.status === 404) tell(form, gettext("Not saved: this song or playlist no longer exists."));
  else tell(form, gettext("Not saved. Try again in a moment."));
}

/* Which song is asked about ----------------------------------------------------------------------------------- */

/**
 * @param {HTMLElement} panel
 * @param {string} url
 */
function load(panel, url) {
  // As its own source, the panel takes a request that still waits with it when it is replaced.
  htmx.ajax("GET", url, { source: panel, target: panel, swap: "outerHTML" });
}

/**
 * Shows the panel of the song that plays, unless an answer for another song is being given.
 * @param {boolean} force
 */
function follow(force) {
  const [panel] = findAll(document, "#felt[data-playlist]");
  if (!panel || !player.dataset.feltUrl || panel.dataset.playlist !== player.dataset.playlist) return;
  const same = panel.dataset.song === player.dataset.song;
  const unsaved = panel.querySelector("form[data-unsaved]");
  const [hint] = findAll(panel, "[data-felt-other]");
  if (hint) hint.hidden = same || !unsaved;
  if (same || (unsaved && !force)) return;
  load(panel, player.dataset.feltUrl);
}

document.addEventListener("htmx:load", (event) => {
  const elt = event.detail.elt;
  const forms = findAll(elt, "form.felt", HTMLFormElement);
  if (elt instanceof HTMLFormElement && elt.matches("form.felt")) forms.push(elt);
  forms.forEach(setUp);
  // What was just saved stays in sight until the next song; anything else may be late and follows at once.
  const said = elt.id === "felt" ? findAll(elt, "[data-felt-saved]")[0] : undefined;
  const saved = said && (said.textContent || elt.querySelector("[data-felt-pending]"));
  if (said?.textContent) announce(said);
  if (elt === document.body || elt.id === "main" || (elt.id === "felt" && !saved)) follow(false);
});

document.addEventListener("player:track", () => follow(false));

/**
 * Says again what a fresh panel brought: only words that change in a region that was there are read out.
 * @param {HTMLElement} said
 */
function announce(said) {
  const words = said.textContent;
  said.textContent = "";
  setTimeout(() => {
    said.textContent = words;
  }, 50);
}

// What waited was sent: the panel of its song shows it as saved, unless it was changed meanwhile.
document.addEventListener("felt:sent", (event) => {
  const [panel] = findAll(document, `#felt[data-song="${event.detail.song}"]`);
  if (!panel || panel.querySelector("form[data-unsaved]")) return;
  const form = find(panel, "form.felt", HTMLFormElement);
  load(panel, form.action + (panel.dataset.playlist ? `?playlist=${panel.dataset.playlist}` : ""));
});

document.addEventListener("click", (event) => {
  if (closest(event, "[data-felt-other]")) follow(true);
});
