/* The library's table: how many songs are chosen, all of a page at once, and a range with Shift. Without it every box
 * can still be ticked by hand.
 */

import { closest, find, findAll } from "../shared/dom.js";
import { gettext, interpolate, ngettext } from "../shared/i18n.js";

const BOX = "input[name=song]";
/** @type {HTMLInputElement | null} */
let last = null;

/**
 * Says how many songs are chosen, and shows in the head of the table whether it is all of the page.
 * @param {HTMLFormElement} form
 */
function tell(form) {
  const boxes = findAll(form, BOX, HTMLInputElement);
  const chosen = boxes.filter((box) => box.checked).length;
  const [all] = findAll(form, "[data-library-all]", HTMLInputElement);
  const page = find(form, "[data-library-page]", HTMLInputElement);
  page.checked = chosen > 0 && chosen === boxes.length;
  page.indeterminate = chosen > 0 && chosen < boxes.length;
  const words = find(form, "[data-library-chosen]");
  if (all?.checked) words.textContent = gettext("All matching songs");
  else
    words.textContent = interpolate(ngettext("%(n)s song chosen", "%(n)s songs chosen", chosen), { n: chosen }, true);
}

document.addEventListener("change", (event) => {
  const form = closest(event, "[data-library]", HTMLFormElement);
  if (!form) return;
  const page = closest(event, "[data-library-page]", HTMLInputElement);
  if (page) {
    for (const box of findAll(form, BOX, HTMLInputElement)) box.checked = page.checked;
  }
  // Picking single songs ends the selection of all matches.
  const [all] = findAll(form, "[data-library-all]", HTMLInputElement);
  if (all && event.target !== all) all.checked = false;
  tell(form);
});

document.addEventListener("click", (event) => {
  const box = closest(event, BOX, HTMLInputElement);
  const form = closest(event, "[data-library]", HTMLFormElement);
  if (!form || !box) return;
  const boxes = findAll(form, BOX, HTMLInputElement);
  if (event.shiftKey && last && boxes.includes(last)) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
  }
  last = box;
});

function begin() {
  const [form] = findAll(document, "[data-library]", HTMLFormElement);
  if (form) tell(form);
}

// The browser may fill the boxes again as they were before a reload.
document.addEventListener("htmx:load", begin);
window.addEventListener("pageshow", begin);
