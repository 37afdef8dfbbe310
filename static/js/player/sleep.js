/* The sleep timer: after a while, or at the end of the song, the music fades out and stops. */

import { find } from "../shared/dom.js";
import { gettext, interpolate, language, ngettext } from "../shared/i18n.js";
import { store, stored } from "../shared/storage.js";
import { part } from "./view.js";

const KEY = "moodplane.sleep";
const FADE_MS = 15_000;
const STEP_MS = 250;
const SONG = "song";

/** @param {Player} player */
export function attachSleep(player) {
  const dialog = find(document, "#player-sleep", HTMLDialogElement);
  const button = part("sleep");
  const words = button.getAttribute("aria-label") ?? "";
  // The moment, 0 for none; a reload does not wake anybody.
  const before = stored(sessionStorage, KEY);
  let endsAt = Number(before.endsAt) || 0;
  player.stopAfterSong = before.afterSong === true;
  let timer = 0;

  const isOn = () => endsAt > 0 || player.stopAfterSong;

  /** Says what is left, on the button and in the dialog. */
  function show() {
    const minutes = Math.max(1, Math.ceil((endsAt - Date.now()) / 60_000));
    let left = "";
    if (player.stopAfterSong) left = gettext("The music stops at the end of this song.");
    else if (endsAt) {
      const message = ngettext("The music stops in %(n)s minute.", "The music stops in %(n)s minutes.", minutes);
      left = interpolate(message, { n: minutes }, true);
    }
    button.setAttribute("aria-label", left ? `${words}. ${left}` : words);
    button.title = left || words;
    button.toggleAttribute("data-on", isOn());
    part("sleep-left").textContent = endsAt ? String(minutes) : "";
    const shown = find(dialog, "[data-sleep-left]");
    if (shown.textContent !== left) shown.textContent = left;
    find(dialog, "[data-sleep-off]").hidden = !isOn();
  }

  /** @param {number} moment */
  function end(moment) {
    endsAt = moment;
    store(sessionStorage, KEY, { endsAt, afterSong: player.stopAfterSong });
    clearInterval(timer);
    player.sound.dim(1);
    if (endsAt) timer = setInterval(step, STEP_MS);
    show();
  }

  function step() {
    const leftMs = endsAt - Date.now();
    if (leftMs > 0) {
      if (leftMs < FADE_MS) player.sound.dim(leftMs / FADE_MS);
      show();
      return;
    }
    const wasPlaying = !player.sound.paused;
    player.pause();
    end(0);
    if (wasPlaying) player.say(gettext("The sleep timer has stopped the music."));
  }

  /** @param {string} choice Minutes, "song", or nothing to switch it off. */
  function choose(choice) {
    player.stopAfterSong = choice === SONG;
    const minutes = Number(choice);
    end(minutes ? Date.now() + 60_000 * minutes : 0);
    if (!minutes) return;
    const time = new Date(endsAt).toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit" });
    player.say(interpolate(gettext("The music will stop at %(time)s."), { time }, true));
  }

  button.addEventListener("click", () => {
    show();
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    if (dialog.returnValue) choose(dialog.returnValue === "off" ? "" : dialog.returnValue);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  player.addEventListener("slept", () => {
    player.say(gettext("The sleep timer has stopped the music."));
    end(0);
  });
  end(endsAt > Date.now() ? endsAt : 0);
}
