/* Up next: the queue as a list beside the page. Songs are played, moved (by buttons or by dragging) and taken out here;
 * the playlist on the server stays as it is. */

import { part } from "./view.js";
import { gettext, interpolate, ngettext } from "../shared/i18n.js";

export function attachQueue(player) {
  const panel = document.getElementById("player-queue");
  const list = panel.querySelector("ol");
  const sample = panel.querySelector("template");
  const button = part("queue");
  const { queue } = player;

  function rowOf(track, index) {
    const row = sample.content.firstElementChild.cloneNode(true);
    row.dataset.index = index;
    row.toggleAttribute("data-past", index < queue.index);
    if (index === queue.index) row.setAttribute("aria-current", "true");
    row.querySelector("[data-queue-title]").textContent = track.title;
    row.querySelector("[data-queue-artist]").textContent = track.artist;
    row.querySelector("[data-queue-reason]").textContent = track.reason || "";
    const words = {
      play: gettext("Play %(title)s"),
      up: gettext("Move %(title)s up"),
      down: gettext("Move %(title)s down"),
      remove: gettext("Take %(title)s out of the queue"),
    };
    for (const [name, message] of Object.entries(words)) {
      row.querySelector(`[data-queue-${name}]`).setAttribute("aria-label", interpolate(message, { title: track.title }, true));
    }
    row.querySelector("[data-queue-up]").disabled = index === 0;
    row.querySelector("[data-queue-down]").disabled = index === queue.tracks.length - 1;
    row.querySelector("[data-queue-remove]").disabled = index === queue.index;
    return row;
  }

  function render() {
    if (panel.hidden) return;
    list.replaceChildren(...queue.tracks.map(rowOf));
    const left = queue.tracks.length - queue.index - 1;
    const words = ngettext("%(count)s song after this one", "%(count)s songs after this one", left);
    panel.querySelector("[data-queue-count]").textContent = interpolate(words, { count: left }, true);
  }

  function focusRow(index, name) {
    const row = list.children[Math.min(index, list.children.length - 1)];
    const target = row?.querySelector(`[data-queue-${name}]`);
    (target?.disabled ? row.querySelector("[data-queue-play]") : target)?.focus();
  }

  function move(from, to) {
    queue.move(from, to);
    player.tell("queue");
    const { title } = queue.tracks[to];
    const place = { title, place: to + 1, count: queue.tracks.length };
    panel.querySelector("[data-queue-status]").textContent = interpolate(gettext("%(title)s is now number %(place)s of %(count)s."), place, true);
  }

  function act(row, target) {
    const index = Number(row.dataset.index);
    if (target.matches("[data-queue-play]")) {
      if (index === queue.index) player.toggle();
      else player.choose(index);
      focusRow(index, "play");
    } else if (target.matches("[data-queue-remove]")) {
      queue.remove(index);
      player.tell("queue");
      focusRow(index, "remove");
    } else if (target.matches("[data-queue-up], [data-queue-down]")) {
      const by = target.matches("[data-queue-up]") ? -1 : 1;
      move(index, index + by);
      focusRow(index + by, by < 0 ? "up" : "down");
    }
  }

  list.addEventListener("click", (event) => {
    const target = event.target.closest("button");
    if (target) act(target.closest("li"), target);
  });

  /* Dragging by the handle: the row goes where the pointer is, and the queue follows when it is let go. */
  list.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest("[data-queue-handle]");
    if (!handle || event.button) return;
    event.preventDefault();
    const row = handle.closest("li");
    // The list holds the pointer: a row lets go of it when it is put elsewhere.
    list.setPointerCapture(event.pointerId);
    row.toggleAttribute("data-dragged", true);
    const follow = (moved) => {
      const over = document.elementFromPoint(moved.clientX, moved.clientY)?.closest("#player-queue li");
      if (!over || over === row) return;
      const box = over.getBoundingClientRect();
      const before = moved.clientY < box.top + box.height / 2;
      if (before && over.previousElementSibling !== row) over.before(row);
      else if (!before && over.nextElementSibling !== row) over.after(row);
    };
    const end = () => {
      list.removeEventListener("pointermove", follow);
      row.removeAttribute("data-dragged");
      const to = [...list.children].indexOf(row);
      if (to !== Number(row.dataset.index)) move(Number(row.dataset.index), to);
    };
    list.addEventListener("pointermove", follow);
    list.addEventListener("lostpointercapture", end, { once: true });
  });

  function open() {
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    render();
    focusRow(Math.max(0, queue.index), "play");
    const row = list.querySelector("[aria-current]");
    if (row) list.scrollTop = row.offsetTop - list.firstElementChild.offsetTop;
  }

  function close() {
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
    button.focus();
  }

  const toggle = () => (panel.hidden ? open() : close());
  button.addEventListener("click", toggle);
  panel.querySelector("[data-queue-close]").addEventListener("click", close);
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  for (const type of ["queue", "track"]) player.addEventListener(type, renderKeepingFocus);

  function renderKeepingFocus() {
    const row = panel.contains(document.activeElement) ? document.activeElement.closest("li") : null;
    const kind = row && ["play", "up", "down", "remove"].find((name) => document.activeElement.matches(`[data-queue-${name}]`));
    render();
    if (kind) focusRow(Number(row.dataset.index), kind);
  }
  return toggle;
}
