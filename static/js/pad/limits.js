/* What a folded list of limits is set to, beside its name. */

function describe(root) {
  const said = [];
  for (const field of root.querySelectorAll("[data-limit]")) {
    if (!field.value && field.dataset.limit !== "always") continue;
    said.push(field.matches("select") ? field.selectedOptions[0]?.textContent.trim() : field.value);
  }
  root.querySelector("[data-limits-set]").textContent = said.filter(Boolean).join(" · ");
}

/** Keeps the words beside a `<details data-limits>` right. */
export function setUpLimits(root) {
  const show = () => describe(root);
  root.addEventListener("input", show);
  root.addEventListener("change", show);
  show();
}
