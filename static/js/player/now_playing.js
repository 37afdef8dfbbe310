/* Now playing: the bar opened over the whole page, with the cover, the waveform, the rating and the queue. It is the same
 * element, so nothing is drawn twice. The way back, of the browser or of a phone, closes it.
 */

import { closest, findAll } from "../shared/dom.js";
import { gettext } from "../shared/i18n.js";
import { bar, part } from "./view.js";

// Dialogs stand above it, and words for everybody stay readable.
const KEPT = "dialog, script, .toast";

/**
 * @param {Player} player
 * @param {{ set: (open: boolean) => void }[]} sheets what it shows besides the bar
 */
export function attachNowPlaying(player, sheets) {
  const opener = part("open");
  const words = bar.getAttribute("aria-label") ?? "";
  /** @type {HTMLElement | null} */
  let wanted = null;
  const isOpen = () => bar.hasAttribute("data-expanded");

  /** @param {boolean} open */
  function set(open) {
    bar.toggleAttribute("data-expanded", open);
    bar.setAttribute("aria-label", open ? gettext("Now playing") : words);
    for (const [name, value] of [
      ["role", "dialog"],
      ["aria-modal", "true"],
    ]) {
      if (open) bar.setAttribute(name, value);
      else bar.removeAttribute(name);
    }
    opener.setAttribute("aria-expanded", String(open));
    for (const one of findAll(document, "body > *")) if (one !== bar && !one.matches(KEPT)) one.inert = open;
    for (const sheet of sheets) sheet.set(open);
  }

  function open() {
    if (isOpen() || !player.queue.current) return;
    set(true);
    // Marked as a page of htmx, so that going forward to it later shows the page below.
    history.pushState({ ...history.state, htmx: true }, "");
    bar.scrollTop = 0;
    part("close").focus();
  }

  function close() {
    if (isOpen()) history.back();
  }

  // Before htmx, which would load the page below again.
  window.addEventListener("popstate", (event) => {
    if (!isOpen()) return;
    event.stopImmediatePropagation();
    set(false);
    opener.focus();
    wanted?.click();
    wanted = null;
  });

  opener.addEventListener("click", open);
  part("close").addEventListener("click", close);
  bar.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isOpen()) close();
  });
  // A link leads to the page below: this closes first, so that its step in the history is gone.
  bar.addEventListener(
    "click",
    (event) => {
      const link = closest(event, "a");
      if (!link || !isOpen() || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      wanted = link;
      close();
    },
    true,
  );
  player.addEventListener("track", () => {
    if (!player.queue.current) close();
  });
}
