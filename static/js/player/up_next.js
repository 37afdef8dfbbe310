/* Up next: the queue as a list at the side of the page. Songs are played, moved (by buttons or by dragging) and removed
 * here; the playlist on the server stays as it is. */

import { closest, find, findAll } from "../shared/dom.js";
import { gettext, interpolate, ngettext } from "../shared/i18n.js";
import { part } from "./view.js";

/** @param {Player} player */
export function attachQueue(player) {
  const panel = find(document, "#player-queue");
  const list = find(panel, "ol");
  const sample = find(find(panel, "template", HTMLTemplateElement).content, "li");
  const button = part("queue");
  const { queue } = player;

  /**
   * @param {Track} track
   * @param {number} index
   */
  function rowOf(track, index) {
    const row = /** @type {HTMLElement} */ (sample.cloneNode(true));
    row.dataset.index = String(index);
    row.toggleAttribute("data-past", index < queue.index);
    if (index === queue.index) row.setAttribute("aria-current", "true");
    find(row, "[data-queue-title]").textContent = track.title;
    find(row, "[data-queue-artist]").textContent = track.artist;
    find(row, "[data-queue-begins-more]").hidden = !track.more || Boolean(queue.tracks[index - 1]?.more);
    find(row, "[data-queue-reason]").textContent = track.reason || "";
    const words = {
      play: gettext("Play %(title)s"),
      up: gettext("Move %(title)s up"),
      down: gettext("Move %(title)s down"),
      remove: gettext("Remove %(title)s from the queue"),
    };
    for (const [name, message] of Object.entries(words)) {
      find(row, `[data-queue-${name}]`).setAttribute("aria-label", interpolate(message, { title: track.title }, true));
    }
    find(row, "[data-queue-up]", HTMLButtonElement).disabled = index === 0;
    find(row, "[data-queue-down]", HTMLButtonElement).disabled = index === queue.tracks.length - 1;
    find(row, "[data-queue-remove]", HTMLButtonElement).disabled = index === queue.index;
    return row;
  }

  function render() {
    list.replaceChildren(...(panel.hidden ? [] : queue.tracks.map(rowOf)));
    const left = queue.tracks.length - queue.index - 1;
    const words = ngettext("%(count)s song after this one", "%(count)s songs after this one", left);
    find(panel, "[data-queue-count]").textContent = interpolate(words, { count: left }, true);
  }

  /**
   * @param {number} index
   * @param {string} name
   */
  function focusRow(index, name) {
    const row = list.children[Math.min(index, list.children.length - 1)];
    if (!row) return;
    const target = find(row, `[data-queue-${name}]`, HTMLButtonElement);
    (target.disabled ? find(row, "[data-queue-play]") : target).focus();
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  function move(from, to) {
    queue.move(from, to);
    player.tell("queue");
    const { title } = queue.tracks[to];
    const place = { title, place: to + 1, count: queue.tracks.length };
    find(panel, "[data-queue-status]").textContent = interpolate(
      gettext("%(title)s is now number %(place)s of %(count)s."),
      place,
      true,
    );
  }

  /**
   * @param {HTMLElement} row
   * @param {Element} target
   */
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
    const target = closest(event, "button");
    const row = target?.closest("li");
    if (target && row) act(row, target);
  });

  /* Dragging by the handle: the row goes where the pointer is, and the queue follows when it is let go. */
  list.addEventListener("pointerdown", (event) => {
    const row = closest(event, "[data-queue-handle]")?.closest("li");
    if (!row || event.button) return;
    event.preventDefault();
    // The list holds the pointer: a row lets go of it when it is put elsewhere.
    list.setPointerCapture(event.pointerId);
    row.toggleAttribute("data-dragged", true);
    /**
     */
    /** @param {PointerEvent} moved */
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

  /** @param {boolean} open */
  function set(open) {
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    render();
  }

  function open() {
    set(true);
    player.tell("sheet", "queue");
    focusRow(Math.max(0, queue.index), "play");
    const [row] = findAll(list, "[aria-current]");
    if (row) list.scrollTop = row.offsetTop - find(list, "li").offsetTop;
  }

  function close() {
    set(false);
    button.focus();
  }

  const toggle = () => (panel.hidden || panel.closest("[data-expanded]") ? open() : close());
  player.addEventListener("sheet", (event) => {
    if (/** @type {CustomEvent<string>} */ (event).detail === "rating") set(false);
  });
  button.addEventListener("click", toggle);
  find(panel, "[data-queue-close]").addEventListener("click", close);
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.closest("[data-expanded]")) return;
    event.stopPropagation();
    close();
  });
  for (const type of ["queue", "track"]) player.addEventListener(type, renderKeepingFocus);

  function renderKeepingFocus() {
    const focused = panel.contains(document.activeElement) ? document.activeElement : null;
    const row = focused?.closest("li");
    const kind = ["play", "up", "down", "remove"].find((name) => focused?.matches(`[data-queue-${name}]`));
    render();
    if (row && kind) focusRow(Number(row.dataset.index), kind);
  }
  return { toggle, set };
}
