/* A picture that does not come says so in its place, in words, instead of leaving an empty box. */

import { closest } from "./dom.js";

document.addEventListener(
  "error",
  (event) => {
    const picture = closest(event, "[data-picture]");
    const frame = picture?.parentElement;
    if (!picture || !frame) return;
    const said = document.createElement("p");
    said.className = "spectrogram__waits";
    said.setAttribute("role", "status");
    said.textContent = picture.dataset.failed ?? "";
    frame.classList.add("is-missing");
    frame.replaceChildren(said);
  },
  true,
);
