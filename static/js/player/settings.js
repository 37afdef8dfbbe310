/* What the listener has chosen for the player, for every tab of this browser; and the fields of the dialog that show it. */

import { closest, find, findAll } from "../shared/dom.js";
import { store, stored } from "../shared/storage.js";

const KEY = "moodplane.player";
const DEFAULTS = {
  level: 1,
  muted: false,
  repeat: /** @type {Repeat} */ ("off"),
  fadeS: 0,
  levelling: /** @type {Levelling} */ ("song"),
  quality: /** @type {Quality} */ ("auto"),
  endless: true,
  endlessJourneys: false,
  letters: true,
};

/** Returns the settings; `change` stores a change. */
export function loadSettings() {
  /** @type {Settings} */
  const settings = {
    ...DEFAULTS,
    ...stored(localStorage, KEY),
    change(values) {
      Object.assign(settings, values);
      const { change: _change, ...kept } = settings;
      store(localStorage, KEY, kept);
    },
  };
  return settings;
}

/**
 * Lets the fields of the dialog change the settings; returns what shows them as they are.
 * @param {Player} player
 */
export function attachSettings(player) {
  const { settings, sound } = player;
  const dialog = find(document, "#player-help", HTMLDialogElement);
  const fields = /** @type {(HTMLSelectElement | HTMLInputElement)[]} */ (findAll(dialog, "[data-player-setting]"));

  /** @param {HTMLElement} field */
  const nameOf = (field) => /** @type {keyof typeof DEFAULTS} */ (field.dataset.playerSetting);

  function show() {
    for (const field of fields) {
      const value = settings[nameOf(field)];
      if (field instanceof HTMLInputElement) field.checked = value === true;
      else field.value = String(value);
    }
  }

  dialog.addEventListener("change", (event) => {
    const field = closest(event, "[data-player-setting]");
    if (!field) return;
    const name = nameOf(field);
    const value = field instanceof HTMLInputElement ? field.checked : /** @type {HTMLSelectElement} */ (field).value;
    settings.change({ [name]: typeof DEFAULTS[name] === "number" ? Number(value) : value });
    player.tell("settings");
  });
  find(dialog, '[data-player-setting="fadeS"]', HTMLSelectElement).disabled = !sound.canFade;
  return show;
}
