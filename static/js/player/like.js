/* Liking the song that plays, from the bar or by a key; pressed again, it is taken back. */

import { gettext, interpolate } from "../shared/i18n.js";
import { post, say } from "../shared/requests.js";
import { announceRerank } from "./reports.js";
import { part } from "./view.js";

/** @param {Player} player */
export function attachLike(player) {
  const button = part("like");
  let liked = false;
  let asked = "";

  /** @param {boolean} value */
  function show(value) {
    liked = value;
    button.setAttribute("aria-pressed", String(liked));
    part("like-icon", SVGElement).setAttribute("href", liked ? "#i-heart-full" : "#i-heart");
  }

  /** Asks for the earlier rating of the song. */
  async function follow() {
    const track = player.queue.current;
    if (!track?.likedUrl || track.song === asked) return;
    asked = track.song;
    show(false);
    try {
      const answer = await fetch(track.likedUrl, { headers: { Accept: "application/json" } });
      const said = answer.ok ? (await answer.json()).liked : null;
      if (player.queue.current?.song === track.song) show(said === true);
    } catch {
      // Offline: the heart stays empty, and a press gives the reason.
    }
  }

  async function press() {
    const track = player.queue.current;
    if (!track?.likedUrl) return;
    const { playlist } = player.queue;
    const taken = liked;
    show(!taken);
    const answer = await post(track.likedUrl, { liked: taken ? "" : "yes", playlist });
    const said = answer?.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
    if (!answer?.ok) {
      show(taken);
      say(said.detail || gettext("Not saved. Try again in a moment."));
      return;
    }
    // What fits a song of before must not be shown at the one that plays now.
    if (player.queue.current?.song === track.song) show(said.liked === true);
    const words = said.liked ? gettext("You like “%(title)s”.") : gettext("You no longer like “%(title)s”.");
    say([interpolate(words, { title: track.title }, true), said.sentence].filter(Boolean).join(" "));
    if (playlist && said.changed) announceRerank(playlist, said.reranked);
    refreshPanel(track);
  }

  button.addEventListener("click", press);
  player.addEventListener("track", follow);
  return press;
}

/**
 * Shows the answer in the rating panel of the same song too, unless something unsaved stands there.
 * @param {Track} track
 */
function refreshPanel(track) {
  const panel = document.getElementById("felt");
  if (!panel || panel.dataset.song !== track.song || panel.querySelector("form[data-unsaved]")) return;
  htmx.ajax("GET", track.feltUrl, { source: panel, target: panel, swap: "outerHTML" });
}
