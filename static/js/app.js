/* The page frame: navigation without reloads, the CSRF header, and words for failures.
 *
 * Links and forms are boosted by htmx, but only #main is replaced, so that the player outside it keeps playing.
 */

const toast = document.getElementById("toast");
let toastTimer = 0;

/** Says a sentence at the foot of the page for a few seconds. */
function say(sentence) {
  toast.textContent = sentence;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { toast.hidden = true; }, 7000);
}

/** Marks the link of the section that the address is in. */
function markCurrentSection() {
  const path = location.pathname;
  for (const link of document.querySelectorAll(".site-nav__link")) {
    const href = link.getAttribute("href");
    const here = href === "/" ? path === "/" : path.startsWith(href);
    if (here) link.setAttribute("aria-current", path === href ? "page" : "true");
    else link.removeAttribute("aria-current");
  }
}

/** Takes over what a page has outside #main: the header (who is signed in) and the CSRF token. */
function adoptFrame(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const id of ["site-header", "csrf"]) {
    const fresh = page.getElementById(id);
    const stale = document.getElementById(id);
    if (!fresh || !stale) continue;
    Object.assign(stale.dataset, fresh.dataset);
    stale.replaceChildren(...fresh.childNodes);
    htmx.process(stale);
  }
}

document.documentElement.classList.add("has-js");

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = document.querySelector("#csrf input").value;
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const detail = event.detail;
  if (!detail.boosted && !detail.requestConfig?.boosted) return;
  if (!detail.serverResponse.includes('id="main"')) {
    // Not one of our pages (a download, a proxy's error page): let the browser show it as it is. What a form answers
    // cannot be asked for again; its words are said by the error handler below.
    detail.shouldSwap = false;
    if (detail.requestConfig.verb === "get") location.assign(detail.pathInfo.responsePath || detail.pathInfo.finalRequestPath);
    return;
  }
  // A 404 or a form with errors is a page too.
  detail.shouldSwap = true;
  detail.isError = false;
  detail.target = document.getElementById("main");
  detail.selectOverride = "#main";
  detail.swapOverride = "outerHTML show:none";
  adoptFrame(detail.serverResponse);
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (!event.detail.boosted && !event.detail.requestConfig?.boosted) return;
  markCurrentSection();
  const place = location.hash && document.getElementById(location.hash.slice(1));
  if (place) {
    place.scrollIntoView();
    return;
  }
  window.scrollTo(0, 0);
  // A keyboard or screen-reader user starts the new page at its beginning, as after a full load.
  document.getElementById("main").focus({ preventScroll: true });
});

document.addEventListener("htmx:historyRestore", (event) => {
  if (event.detail.serverResponse) adoptFrame(event.detail.serverResponse);
  markCurrentSection();
});

/** Returns the words of an error fragment; a whole page or a problem document is none. */
function sentenceOf(xhr) {
  const html = xhr.getResponseHeader("Content-Type")?.startsWith("text/html");
  if (!html || xhr.responseText.includes("<html")) return "";
  return new DOMParser().parseFromString(xhr.responseText, "text/html").body.textContent.trim();
}

// A background refresh that fails is tried again by itself; only what a person asked for deserves words.
const askedByPerson = (detail) => !detail.elt?.matches("[data-background]");

document.addEventListener("htmx:sendError", (event) => {
  if (askedByPerson(event.detail)) say("The server does not answer. Check the connection and try again.");
});

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  if (!askedByPerson(event.detail)) return;
  const sentence = sentenceOf(xhr);
  if (sentence) say(sentence);
  else if (xhr.status === 403) say("You may not do that, or the page is too old: reload it and try again.");
  else if (xhr.status === 404) say("That is no longer there.");
  else say(`That did not work (error ${xhr.status}). Try again in a moment.`);
});

// Questions before something is deleted: data-confirm on the form.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset?.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

// A choice in a form marked data-submit-on-change applies at once.
document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form?.matches("[data-submit-on-change]") && event.target.matches("select")) form.requestSubmit();
});

document.addEventListener("htmx:load", markCurrentSection, { once: true });
document.addEventListener("moodplane:say", (event) => say(event.detail));
