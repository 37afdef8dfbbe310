/* The library's table: how many songs are chosen, all of a page at once, and a range with Shift. Without it every box
 * can still be ticked by hand.
 */

import { gettext, interpolate, ngettext } from "../shared/i18n.js";

const BOX = "input[name=song]";
let last = null;

/** Says how many songs are chosen, and shows in the head of the table whether it is all of the page. */
function tell(form) {
  const boxes = [...form.querySelectorAll(BOX)];
  const chosen = boxes.filter((box) => box.checked).length;
  const all = form.querySelector("[data-library-all]");
  const page = form.querySelector("[data-library-page]");
  page.checked = chosen > 0 && chosen === boxes.length;
  page.indeterminate = chosen > 0 && chosen < boxes.length;
  const words = form.querySelector("[data-library-chosen]");
  if (all?.checked) words.textContent = gettext("Every song that matches");
  else words.textContent = interpolate(ngettext("%(n)s song chosen", "%(n)s songs chosen", chosen), { n: chosen }, true);
}

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("[data-library]");
  if (!form) return;
  if (event.target.matches("[data-library-page]")) {
    for (const box of form.querySelectorAll(BOX)) box.checked = event.target.checked;
  }
  // Whoever picks songs one by one no longer means all that match.
  const all = form.querySelector("[data-library-all]");
  if (all && event.target !== all) all.checked = false;
  tell(form);
});

document.addEventListener("click", (event) => {
  const box = event.target;
  const form = box.closest?.("[data-library]");
  if (!form || !box.matches(BOX)) return;
  const boxes = [...form.querySelectorAll(BOX)];
  if (event.shiftKey && last && boxes.includes(last)) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
  }
  last = box;
});

function begin() {
  const form = document.querySelector("[data-library]");
  if (form) tell(form);
}

// The browser may fill the boxes again as they were before a reload.
document.addEventListener("htmx:load", begin);
window.addEventListener("pageshow", begin);
