/* How a listener likes their player: kept in this browser, for every tab. */

import { store, stored } from "./queue.js";

const KEY = "moodplane.player";
const DEFAULTS = { level: 1, muted: false, repeat: "off", fadeS: 0, letters: true };

export const REPEATS = ["off", "all", "one"];

/** Returns the settings; what is changed through `change` is kept. */
export function settingsLoad() {
  const settings = { ...DEFAULTS, ...stored(localStorage, KEY) };
  settings.change = (values) => {
    Object.assign(settings, values);
    const { level, muted, repeat, fadeS, letters } = settings;
    store(localStorage, KEY, { level, muted, repeat, fadeS, letters });
  };
  return settings;
}
