/* A list is put in order by dragging a song at its grip; by keyboard the buttons beside it do the same. */

const EDGE_PX = 90;
const SCROLL_PX = 14;
let drag = null;

/** Puts the dragged row before the first row whose middle lies below the pointer. */
function follow(y) {
  const { row, list } = drag;
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
  follow(drag.y);
  drag.frame = requestAnimationFrame(scroll);
}

function begin(event, grip) {
  const row = grip.closest("li");
  const list = row.parentElement;
  event.preventDefault();
  grip.setPointerCapture(event.pointerId);
  drag = { row, list, grip, order: [...list.children], y: event.clientY, frame: 0 };
  row.classList.add("is-dragged");
  document.documentElement.classList.add("is-dragging");
  drag.frame = requestAnimationFrame(scroll);
}

function end() {
  const ended = drag;
  cancelAnimationFrame(ended.frame);
  ended.row.classList.remove("is-dragged");
  document.documentElement.classList.remove("is-dragging");
  drag = null;
  return ended;
}

function cancel() {
  const { list, order } = end();
  list.replaceChildren(...order);
}

function drop() {
  const { row, list, order } = end();
  const to = [...list.children].indexOf(row);
  if (to === order.indexOf(row)) return;
  // What the server did not take is not shown as if it had.
  list.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful) list.replaceChildren(...order);
  }, { once: true });
  htmx.ajax("POST", row.querySelector("[data-move]").action, {
    source: row, target: list, swap: "outerHTML", values: { to: to + 1 },
  });
}

document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest("[data-grip]");
  if (grip && !drag && event.button === 0) begin(event, grip);
});
document.addEventListener("pointermove", (event) => {
  if (drag) drag.y = event.clientY;
});
document.addEventListener("pointerup", () => { if (drag) drop(); });
document.addEventListener("pointercancel", () => { if (drag) cancel(); });
document.addEventListener("keydown", (event) => { if (drag && event.key === "Escape") cancel(); });
