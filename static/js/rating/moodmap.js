/* My mood map: the line that is pointed at or focused tells its song under the plane, and all lines are one tab stop,
 * walked with the arrow keys. Without this every line is a link with a title, and the table says the same.
 */

function setUp(root) {
  const lines = [...root.querySelectorAll("[data-felt-line]")];
  const told = root.querySelector("[data-felt-told]");
  if (!lines.length) return;

  const tell = (line) => {
    for (const each of lines) each.classList.toggle("is-told", each === line);
    told.textContent = line.getAttribute("aria-label");
  };
  const stopAt = (line) => {
    for (const each of lines) each.setAttribute("tabindex", each === line ? "0" : "-1");
  };
  for (const line of lines) {
    line.addEventListener("pointerenter", () => tell(line));
    line.addEventListener("focus", () => {
      stopAt(line);
      tell(line);
    });
    // What is told below need not hide the line as well.
    line.querySelector("title")?.remove();
  }
  root.addEventListener("keydown", (event) => {
    const at = lines.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    lines[(to + lines.length) % lines.length].focus();
  });
  // The newest is on top, and comes first.
  stopAt(lines.at(-1));
}

document.addEventListener("htmx:load", (event) => {
  for (const root of event.detail.elt.querySelectorAll("[data-moodmap]")) setUp(root);
});
