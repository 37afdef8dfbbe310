/* My mood map: the line under the pointer or in focus shows its song under the plane, and all lines are one tab stop,
 * walked with the arrow keys. Without this every line is a link with a title, and the table says the same.
 */

import { find, findAll } from "../shared/dom.js";

/** @param {HTMLElement} root */
function setUp(root) {
  const lines = findAll(root, "[data-felt-line]", SVGElement);
  if (!lines.length) return;
  const sentence = find(root, "[data-felt-sentence]");

  /**
   */
  /** @param {SVGElement} line */
  const tell = (line) => {
    for (const each of lines) each.classList.toggle("is-highlighted", each === line);
    sentence.textContent = line.getAttribute("aria-label");
  };
  /**
   */
  /** @param {SVGElement | undefined} line */
  const stopAt = (line) => {
    for (const each of lines) each.setAttribute("tabindex", each === line ? "0" : "-1");
  };
  for (const line of lines) {
    line.addEventListener("pointerenter", () => tell(line));
    line.addEventListener("focus", () => {
      stopAt(line);
      tell(line);
    });
    // The text below replaces the tooltip, which would hide the line.
    line.querySelector("title")?.remove();
  }
  root.addEventListener("keydown", (event) => {
    const at = lines.indexOf(/** @type {SVGElement} */ (document.activeElement));
    /** @type {number | undefined} */
    const to = {
      ArrowRight: at + 1,
      ArrowDown: at + 1,
      ArrowLeft: at - 1,
      ArrowUp: at - 1,
      Home: 0,
      End: lines.length - 1,
    }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    lines[(to + lines.length) % lines.length].focus();
  });
  // The newest is on top, and comes first.
  stopAt(lines.at(-1));
}

document.addEventListener("htmx:load", (event) => {
  for (const root of findAll(event.detail.elt, "[data-moodmap]")) setUp(root);
});
