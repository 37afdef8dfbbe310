/* A list is put in order by dragging a song at its grip; by keyboard the buttons next to it do the same. */

import { closest, find } from "../shared/dom.js";

const EDGE_PX = 90;
const SCROLL_PX = 14;
/** @typedef {{ row: HTMLElement, list: HTMLElement, order: Element[], y: number, frame: number }} Drag */
/** @type {Drag | null} */
let drag = null;

/**
 * Puts the dragged row before the first row whose middle lies below the pointer.
 * @param {Drag} drag
 */
function follow({ row, list, y }) {
  const others = [...list.children].filter((each) => each !== row);
  const next = others.find((each) => {
    const box = each.getBoundingClientRect();
    return y < box.top + box.height / 2;
  });
  if ((next ?? null) !== row.nextElementSibling) list.insertBefore(row, next ?? null);
}

function scroll() {
  if (!drag) return;
  const foot = Number.parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--player-height")) || 0;
  const bottom = innerHeight - Math.max(foot, 0) - EDGE_PX;
  if (drag.y < EDGE_PX) scrollBy(0, -SCROLL_PX);
  else if (drag.y > bottom) scrollBy(0, SCROLL_PX);
  follow(drag);
  drag.frame = requestAnimationFrame(scroll);
}

/**
 * @param {PointerEvent} event
 * @param {HTMLElement} grip
 */
function begin(event, grip) {
  const row = grip.closest("li");
  const list = row?.parentElement;
  if (!row || !list) return;
  event.preventDefault();
  grip.setPointerCapture(event.pointerId);
  drag = { row, list, order: [...list.children], y: event.clientY, frame: 0 };
  row.classList.add("is-dragged");
  document.documentElement.classList.add("is-dragging");
  drag.frame = requestAnimationFrame(scroll);
}

/** @param {Drag} ended */
function end({ row, frame }) {
  cancelAnimationFrame(frame);
  row.classList.remove("is-dragged");
  document.documentElement.classList.remove("is-dragging");
  drag = null;
}

/** @param {Drag} ended */
function cancel(ended) {
  end(ended);
  ended.list.replaceChildren(...ended.order);
}

/** @param {Drag} ended */
function drop(ended) {
  end(ended);
  const { row, list, order } = ended;
  const to = [...list.children].indexOf(row);
  if (to === order.indexOf(row)) return;
  // What the server did not take is not shown as if it had.
  list.addEventListener(
    "htmx:afterRequest",
    (event) => {
      if (!(/** @type {HtmxEvent} */ (event).detail.successful)) list.replaceChildren(...order);
    },
    { once: true },
  );
  htmx.ajax("POST", find(row, "[data-move]", HTMLFormElement).action, {
    source: row,
    target: list,
    swap: "outerHTML",
    values: { to: to + 1 },
  });
}

document.addEventListener("pointerdown", (event) => {
  const grip = closest(event, "[data-grip]");
  if (grip && !drag && event.button === 0) begin(event, grip);
});
document.addEventListener("pointermove", (event) => {
  if (drag) drag.y = event.clientY;
});
document.addEventListener("pointerup", () => {
  if (drag) drop(drag);
});
document.addEventListener("pointercancel", () => {
  if (drag) cancel(drag);
});
document.addEventListener("keydown", (event) => {
  if (drag && event.key === "Escape") cancel(drag);
});
