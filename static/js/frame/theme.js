/* Light, dark, or like the system: applied in place, so that a page need not load again while music plays. */

import { keepCookie } from "../shared/cookies.js";
import { closest, findAll } from "../shared/dom.js";

/**
 * Shows the theme, keeps it in the cookie that the server reads, and marks its button wherever there is one.
 * @param {string} theme
 */
function choose(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  keepCookie("theme", theme);
  // The bars of the system around an installed app.
  const ground = getComputedStyle(document.documentElement).getPropertyValue("--paper");
  for (const meta of findAll(document, 'meta[name="theme-color"]', HTMLMetaElement)) meta.content = ground;
  for (const button of findAll(document, "[data-theme-form] button", HTMLButtonElement)) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
}

document.addEventListener("submit", (event) => {
  if (!closest(event, "[data-theme-form]") || !(event.submitter instanceof HTMLButtonElement)) return;
  event.preventDefault();
  choose(event.submitter.value);
});
