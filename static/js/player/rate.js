/* Rating the song that plays, from any page: a sheet above the bar with both axes, and the heart. */

import { panelOf, problemOf } from "../rating/panel.js";
import { find } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";
import { say } from "../shared/requests.js";
import { announceRerank } from "./reports.js";
import { part } from "./view.js";

/** @param {Player} player */
export function attachRating(player) {
  const sheet = part("rating");
  const [button, heart] = [part("rate"), part("like")];
  const panel = panelOf(find(sheet, "form", HTMLFormElement));
  // Whose heart was pressed: where the sheet is closed, what became of it is said at the foot of the page.
  let hearted = "";

  player.addEventListener("track", () => {
    const { current, playlist } = player.queue;
    panel.follow(current ?? { song: "", title: "", feltUrl: "" }, playlist);
    if (!current) close();
  });
  player.addEventListener("listener", () => panel.ask());
  panel.addEventListener("values", () => {
    heart.setAttribute("aria-pressed", String(panel.liked));
    part("like-icon", SVGElement).setAttribute("href", panel.liked ? "#i-heart-full" : "#i-heart");
  });

  function like() {
    if (sheet.hidden) hearted = panel.song;
    panel.like();
  }

  document.addEventListener("felt:said", ({ detail }) => {
    const { song, title, playlist, status, said, isStored } = detail;
    if (playlist && said.changed) announceRerank({ playlist, sentence: said.reranked ?? "", moved: said.moved });
    if (song !== hearted) return;
    hearted = "";
    const words = said.values?.liked ? gettext("You like “%(title)s”.") : gettext("You no longer like “%(title)s”.");
    const hint = said.sign_in ? said.sentence : "";
    const done = [interpolate(words, { title }, true), hint].filter(Boolean).join(" ");
    say(status === 200 ? done : problemOf(status, said, isStored));
  });

  /** @param {boolean} open */
  function set(open) {
    sheet.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  }

  function close() {
    if (sheet.contains(document.activeElement)) button.focus();
    set(false);
  }

  function toggle() {
    if (!sheet.hidden) return close();
    set(true);
    player.tell("sheet", "rating");
    find(sheet, "input[type=range]", HTMLInputElement).focus({ preventScroll: true });
  }

  player.addEventListener("sheet", (event) => {
    if (/** @type {CustomEvent<string>} */ (event).detail === "queue") set(false);
  });
  button.addEventListener("click", toggle);
  heart.addEventListener("click", like);
  // Wherever the focus is: a press on the pad leaves it where it was.
  document.addEventListener("keydown", (event) => {
    const isOver = event.key === "Escape" && !sheet.hidden && !sheet.closest("[data-expanded]");
    if (isOver && !document.querySelector("dialog:modal, :popover-open")) close();
  });
  return { like, toggle, set };
}
