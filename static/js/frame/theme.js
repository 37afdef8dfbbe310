/* Light, dark, or like the system: applied in place, so that a page need not load again while music plays. */

const FOR_A_YEAR = 365 * 24 * 3600;

/** Shows the theme, keeps it in the cookie that the server reads, and marks its button wherever there is one. */
function choose(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${theme}; Path=/; Max-Age=${FOR_A_YEAR}; SameSite=Lax${secure}`;
  for (const button of document.querySelectorAll("[data-theme-form] button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-theme-form]") || !event.submitter) return;
  event.preventDefault();
  choose(event.submitter.value);
});
