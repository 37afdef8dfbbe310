/* Shortcuts of the player, and the dialog that lists them. Keys that are letters can be switched off (WCAG 2.1.4). */

const SEEK_S = 10;
const VOLUME_STEP = 0.05;
const TYPED = "textarea, select, [contenteditable], input:not([type=range], [type=checkbox], [type=radio], [type=button], [type=submit])";
// Whoever is at one of these means it with the arrows, or scrolls it.
const ARROWED = "input, [role=slider], [role=region], [role=radiogroup], [role=tablist], [role=listbox], [role=menu]";

const PRESSED = "button, summary, a, input:not([type=range]), [role=button]";

export function attachShortcuts(player, { like, queue }) {
  const dialog = document.getElementById("player-help");
  let clicked = null;
  const named = {
    " ": () => player.toggle(),
    ArrowRight: () => player.seekBy(SEEK_S),
    ArrowLeft: () => player.seekBy(-SEEK_S),
  };
  const shifted = {
    ArrowRight: () => player.next(),
    ArrowLeft: () => player.previous(),
    ArrowUp: () => player.setVolume(player.sound.level + VOLUME_STEP),
    ArrowDown: () => player.setVolume(player.sound.level - VOLUME_STEP),
  };
  const letters = {
    l: () => like(),
    m: () => player.mute(),
    s: () => player.shuffle(),
    r: () => player.repeat(),
    q: () => queue(),
    n: () => player.next(),
    p: () => player.previous(),
  };

  function actionOf(event) {
    const { target, key, shiftKey } = event;
    if (key.startsWith("Arrow")) return target.closest(ARROWED) ? undefined : (shiftKey ? shifted : named)[key];
    // Space presses the button that Tab led to. One that was clicked only happens to have the focus still.
    if (key === " ") return target !== clicked && target.closest(PRESSED) ? undefined : named[key];
    if (!player.settings.letters) return undefined;
    if (key === "?") return openHelp;
    return shiftKey ? undefined : letters[key.toLowerCase()];
  }

  function openHelp() {
    dialog.querySelector("[data-player-letters]").checked = player.settings.letters;
    dialog.querySelector("[data-player-fade]").value = String(player.settings.fadeS);
    dialog.showModal();
  }

  document.addEventListener("pointerdown", (event) => { clicked = event.target.closest("button"); });
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.key === "Tab") clicked = null;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!target.closest || target.closest(TYPED) || document.querySelector("dialog:modal")) return;
    const action = actionOf(event);
    if (!action || (!player.queue.current && action !== openHelp)) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open-help]")) openHelp();
    // A click beside the dialog lands on the dialog itself, whose content fills it.
    else if (event.target === dialog) dialog.close();
  });
  for (const button of document.querySelectorAll("[data-open-help]")) button.hidden = false;
  dialog.addEventListener("change", (event) => {
    if (event.target.matches("[data-player-letters]")) player.settings.change({ letters: event.target.checked });
    if (event.target.matches("[data-player-fade]")) player.settings.change({ fadeS: Number(event.target.value) });
  });
  dialog.querySelector("[data-player-fade]").disabled = !player.sound.canFade;
}
