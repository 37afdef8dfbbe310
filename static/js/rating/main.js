/* Felt ratings on pages; the player has a panel of its own (player/rate.js). */

import "./moodmap.js";
import { panelsIn } from "./panel.js";

document.addEventListener("htmx:load", (event) => {
  panelsIn(event.detail.elt);
});

// A page that goes, and takes a panel along, sends what was said in it.
document.addEventListener("htmx:beforeSwap", () => {
  for (const panel of panelsIn(document)) panel.flush();
});
window.addEventListener("pagehide", () => {
  for (const panel of panelsIn(document)) panel.flush();
});
