/* Counts, while a list plays, how many of its songs were played and how much is left. A song counts when it is over. */

import { closest, findAll } from "../shared/dom.js";
import { interpolate, ngettext } from "../shared/i18n.js";

/** @param {number} seconds */
function clock(seconds) {
  const whole = Math.max(Math.round(seconds), 0);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  /**
   */
  /** @param {number} number */
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/**
 * @param {HTMLElement} list
 * @param {boolean} [isOver] whether the song in the player has ended
 */
function count(list, isOver = false) {
  const [bar] = findAll(document, "[data-heard-bar]", HTMLProgressElement);
  const words = document.querySelector("[data-heard-words]");
  if (!bar || !words) return;
  const rows = findAll(list, "[data-track]");
  const player = document.getElementById("player");
  const current = !isOver && player?.dataset.playlist === list.dataset.playlist ? player?.dataset.song : undefined;
  const heard = rows.filter((row) => row.dataset.played === "true" && row.dataset.song !== current);
  const left = rows
    .filter((row) => !heard.includes(row))
    .reduce((sum, row) => sum + Number(row.dataset.seconds || 0), 0);
  bar.max = rows.length;
  bar.value = heard.length;
  const fmt = ngettext(
    "%(heard)s of %(n)s song played, %(left)s left",
    "%(heard)s of %(n)s songs played, %(left)s left",
    rows.length,
  );
  words.textContent = interpolate(fmt, { heard: heard.length, n: rows.length, left: clock(left) }, true);
}

// Events of an audio element do not bubble, but can be caught on their way down.
for (const type of ["playing", "ended"])
  document.addEventListener(
    type,
    (event) => {
      const player = closest(event, "#player");
      if (!player) return;
      const [list] = findAll(document, `#playlist-items[data-playlist="${player.dataset.playlist}"]`);
      const [row] = list ? findAll(list, `[data-song="${player.dataset.song}"]`) : [];
      if (!row) return;
      row.dataset.played = "true";
      row.classList.add("is-played");
      // Where songs fade into each other, the next one plays when this one ends.
      count(list, type === "ended" && findAll(player, "audio", HTMLAudioElement).every((audio) => audio.paused));
    },
    true,
  );

// A list that comes, or comes reranked, brings the server's marks, among them one for the song that plays.
document.addEventListener("htmx:load", (event) => {
  const { elt } = event.detail;
  const list = elt.id === "playlist-items" ? elt : findAll(elt, "#playlist-items")[0];
  if (list) count(list);
});
