/* The felt rating: sliders count only once they were touched, and the panel follows the song that plays. */

const player = document.getElementById("player");

const words = {
  felt_valence: ["unpleasant", "pleasant"],
  felt_arousal: ["calm", "energetic"],
};

/** Writes what a slider says into its aria-valuetext. */
function describe(slider, touched) {
  const [low, high] = words[slider.name];
  const value = Number(slider.value);
  const side = Math.abs(value) < 0.05 ? "in the middle" : `${Math.round(Math.abs(value) * 100)} % towards ${value > 0 ? high : low}`;
  slider.setAttribute("aria-valuetext", touched ? side : "not answered yet");
}

function setUp(form) {
  if (form.dataset.ready) return;
  form.dataset.ready = "true";
  const check = form.querySelector("[name=felt]");
  const sliders = form.querySelectorAll("input[type=range]");
  const show = () => {
    form.classList.toggle("is-untouched", !check.checked);
    for (const slider of sliders) describe(slider, check.checked);
  };
  const touch = () => {
    check.checked = true;
    show();
  };
  for (const slider of sliders) {
    slider.addEventListener("input", touch);
    // Leaving the thumb in the middle on purpose is an answer too.
    slider.addEventListener("pointerdown", touch);
  }
  form.addEventListener("input", () => { form.dataset.unsaved = "true"; });
  show();
}

/** Shows the panel of the song that plays, unless an answer for another song is being given. */
function follow(force) {
  const panel = document.querySelector("#felt[data-playlist]");
  if (!panel || !player.dataset.feltUrl || panel.dataset.playlist !== player.dataset.playlist) return;
  const same = panel.dataset.song === player.dataset.song;
  const unsaved = panel.querySelector("form[data-unsaved]");
  const hint = panel.querySelector("[data-felt-other]");
  if (hint) hint.hidden = same || !unsaved;
  if (same || (unsaved && !force)) return;
  // As its own source, the panel takes a request that still waits with it when it is replaced.
  htmx.ajax("GET", player.dataset.feltUrl, { source: panel, target: panel, swap: "outerHTML" });
}

document.addEventListener("htmx:load", (event) => {
  const elt = event.detail.elt;
  const forms = [...elt.querySelectorAll("form.felt")];
  if (elt.matches("form.felt")) forms.push(elt);
  forms.forEach(setUp);
  // What was just saved stays in sight until the next song; anything else may be late and follows at once.
  const saved = elt.querySelector("[data-felt-saved]")?.textContent;
  if (elt === document.body || elt.id === "main" || (elt.id === "felt" && !saved)) follow(false);
});

document.addEventListener("player:track", () => follow(false));

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-felt-other]")) follow(true);
});
