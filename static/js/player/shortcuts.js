/* Shortcuts of the player, and the dialog that lists them. Keys that are letters can be switched off (WCAG 2.1.4). */

import { closest, find, findAll } from "../shared/dom.js";

const SEEK_S = 10;
const VOLUME_STEP = 0.05;
const TYPED =
  "textarea, select, [contenteditable], input:not([type=range], [type=checkbox], [type=radio], [type=button], [type=submit])";
// With the focus on one of these, the arrow keys move or scroll it.
const ARROWED = "input, [role=slider], [role=region], [role=radiogroup], [role=tablist], [role=listbox], [role=menu]";

const PRESSED = "button, summary, a, input:not([type=range]), [role=button]";

/**
 * @param {Player} player
 * @param {{ like: () => void, rate: () => void, queue: () => void, opened: () => void }} actions
 */
export function attachShortcuts(player, { like, rate, queue, opened }) {
  const dialog = find(document, "#player-help", HTMLDialogElement);
  /** @type {Element | null} */
  let clicked = null;
  /** @typedef {Record<string, () => void>} Actions */
  /** @type {Actions} */
  const named = {
    " ": () => player.toggle(),
    ArrowRight: () => player.seekBy(SEEK_S),
    ArrowLeft: () => player.seekBy(-SEEK_S),
  };
  /** @type {Actions} */
  const shifted = {
    ArrowRight: () => player.next(),
    ArrowLeft: () => player.previous(),
    ArrowUp: () => player.setVolume(player.sound.level + VOLUME_STEP),
    ArrowDown: () => player.setVolume(player.sound.level - VOLUME_STEP),
  };
  /** @type {Actions} */
  const letters = {
    l: () => like(),
    f: () => rate(),
    m: () => player.mute(),
    s: () => player.shuffle(),
    r: () => player.repeat(),
    q: () => queue(),
    n: () => player.next(),
    p: () => player.previous(),
  };

  /** @param {KeyboardEvent} event */
  function actionOf(event) {
    const { key, shiftKey } = event;
    if (key.startsWith("Arrow")) return closest(event, ARROWED) ? undefined : (shiftKey ? shifted : named)[key];
    // Space presses the button that Tab led to. One that was clicked only happens to have the focus still.
    if (key === " ") return event.target !== clicked && closest(event, PRESSED) ? undefined : named[key];
    if (!player.settings.letters) return undefined;
    if (key === "?") return openHelp;
    return shiftKey ? undefined : letters[key.toLowerCase()];
  }

  function openHelp() {
    opened();
    dialog.showModal();
  }

  document.addEventListener("pointerdown", (event) => {
    clicked = closest(event, "button");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Tab") clicked = null;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!(event.target instanceof Element) || closest(event, TYPED) || document.querySelector("dialog:modal")) return;
    const action = actionOf(event);
    if (!action || (!player.queue.current && action !== openHelp)) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("click", (event) => {
    if (closest(event, "[data-open-help]")) openHelp();
    // A click outside the content lands on the dialog itself, since the content fills it.
    else if (event.target === dialog) dialog.close();
  });
  for (const button of findAll(document, "[data-open-help]")) button.hidden = false;
}
