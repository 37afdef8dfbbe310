/* The page frame: navigation without reloads, the CSRF header, and words for failures.
 *
 * Links and forms are boosted by htmx, but only #main is replaced, so that the player outside it keeps playing.
 */

import "../shared/broken_images.js";
import { find, findAll } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";
import { csrfToken } from "../shared/requests.js";
import "./theme.js";

const toast = find(document, "#toast");
let toastTimer = 0;

/**
 * Says a sentence at the foot of the page for a few seconds.
 * @param {string} sentence
 */
function say(sentence) {
  toast.textContent = sentence;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    toast.hidden = true;
  }, 7000);
}

/** Marks the link of the section that the address is in: of several that fit, the one that says most. */
function markCurrentSection() {
  const path = location.pathname;
  /**
   */
  /** @param {string} href */
  const fits = (href) => (href === "/" ? path === "/" : path.startsWith(href));
  const links = findAll(document, ".site-nav__link").map((link) => ({ link, href: link.getAttribute("href") ?? "" }));
  const length = Math.max(...links.filter(({ href }) => fits(href)).map(({ href }) => href.length));
  for (const { link, href } of links) {
    if (fits(href) && href.length === length) link.setAttribute("aria-current", path === href ? "page" : "true");
    else link.removeAttribute("aria-current");
  }
}

/**
 * Whether a page is of the same version as this frame: the scripts and styles of one must not meet the page of another.
 * @param {string} html
 */
function isOfThisVersion(html) {
  const mark = find(document, 'meta[name="moodplane-version"]', HTMLMetaElement).content;
  return html.includes(`<meta name="moodplane-version" content="${mark}">`);
}

/**
 * Takes over what a page has outside #main: the header (who is signed in) and the CSRF token.
 * @param {string} html
 */
function adoptFrame(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const id of ["site-header", "language", "csrf"]) {
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
  const { headers, parameters } = event.detail;
  headers["X-CSRFToken"] = csrfToken();
  // What the form itself carries counts before the header.
  if (parameters.csrfmiddlewaretoken) parameters.csrfmiddlewaretoken = headers["X-CSRFToken"];
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const detail = event.detail;
  if (!detail.boosted && !detail.requestConfig?.boosted) return;
  if (!detail.serverResponse.includes('id="main"')) {
    // Not one of our pages (a download, a proxy's error page): let the browser show it as it is. What a form answers
    // cannot be asked for again; its words are said by the error handler below.
    detail.shouldSwap = false;
    if (detail.requestConfig?.verb === "get")
      location.assign(detail.pathInfo.responsePath || detail.pathInfo.finalRequestPath);
    return;
  }
  const { responsePath, finalRequestPath } = detail.pathInfo;
  const isAskedAgain = detail.requestConfig?.verb === "get" || (responsePath && responsePath !== finalRequestPath);
  if (!isOfThisVersion(detail.serverResponse) && isAskedAgain) {
    // Music goes on after the load. What a form answers in place cannot be asked for again, and is shown as it is.
    detail.shouldSwap = false;
    location.assign(responsePath || finalRequestPath);
    return;
  }
  // A 404 or a form with errors is a page too.
  detail.shouldSwap = true;
  detail.isError = false;
  detail.target = find(document, "#main");
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
  find(document, "#main").focus({ preventScroll: true });
});

document.addEventListener("htmx:historyRestore", (event) => {
  const { serverResponse } = event.detail;
  if (serverResponse && !isOfThisVersion(serverResponse)) location.reload();
  if (serverResponse) adoptFrame(serverResponse);
  markCurrentSection();
});

/**
 * Returns the words of an error fragment; a whole page or a problem document is none.
 * @param {XMLHttpRequest} xhr
 */
function sentenceOf(xhr) {
  const html = xhr.getResponseHeader("Content-Type")?.startsWith("text/html");
  if (!html || xhr.responseText.includes("<html")) return "";
  return new DOMParser().parseFromString(xhr.responseText, "text/html").body.textContent.trim();
}

// A background refresh that fails is tried again by itself; only what a person asked for deserves words.
// The rating panel says itself what became of an answer.
/** @param {HtmxDetail} detail */
const askedByPerson = (detail) => !detail.elt?.matches("[data-background], [data-tells-errors]");

document.addEventListener("htmx:sendError", (event) => {
  if (askedByPerson(event.detail)) say(gettext("The server does not answer. Check the connection and try again."));
});

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  if (!askedByPerson(event.detail)) return;
  const sentence = sentenceOf(xhr);
  if (sentence) say(sentence);
  else if (xhr.status === 403)
    say(gettext("You do not have permission, or the page has expired: reload it and try again."));
  else if (xhr.status === 404) say(gettext("That no longer exists."));
  else
    say(
      interpolate(
        gettext("Something went wrong (error %(status)s). Try again in a moment."),
        { status: xhr.status },
        true,
      ),
    );
});

// Questions before something is deleted: data-confirm on the form.
document.addEventListener(
  "submit",
  (event) => {
    const question = event.target instanceof HTMLElement && event.target.dataset.confirm;
    if (question && !window.confirm(question)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  },
  true,
);

document.addEventListener("htmx:load", markCurrentSection, { once: true });
document.addEventListener("moodplane:say", (event) => say(event.detail));

// Pages on their way, so that the bar at the top shows that something happens; what a page asks by itself is no news.
let onTheWay = 0;
/**
 * @param {HtmxEvent} event
 * @param {number} step
 */
function count(event, step) {
  if (!askedByPerson(event.detail) || event.detail.requestConfig?.triggeringEvent?.type === "load") return;
  onTheWay = Math.max(0, onTheWay + step);
  document.documentElement.classList.toggle("is-loading", onTheWay > 0);
}
document.addEventListener("htmx:beforeRequest", (event) => count(event, 1));
document.addEventListener("htmx:afterRequest", (event) => count(event, -1));

// Of tabs in a row that does not fit, the open one is in sight.
const showOpenTab = () => {
  const tab = document.querySelector(".tabs [aria-current]");
  const row = tab?.parentElement;
  if (!tab || !row) return;
  const [inner, outer] = [tab.getBoundingClientRect(), row.getBoundingClientRect()];
  row.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
};
document.addEventListener("htmx:afterSettle", showOpenTab);
showOpenTab();

// The words of the offline line are put in when they become true, so that they are read aloud then.
const offline = find(document, "#offline");
const sayWhetherOnline = () => {
  offline.textContent = navigator.onLine ? "" : (offline.dataset.words ?? "");
};
window.addEventListener("offline", sayWhetherOnline);
window.addEventListener("online", sayWhetherOnline);
sayWhetherOnline();

// A page that refreshes itself keeps still: an answer that says the same is not put in again, and what was opened stays
// open. htmx puts the focus back by itself where an element has an id.
const answers = new WeakMap();
/** @type {string[]} */
let opened = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, serverResponse, xhr } = event.detail;
  if (!target?.matches?.("[data-steady]") || xhr.status !== 200) return;
  if (answers.get(target) === serverResponse) event.detail.shouldSwap = false;
  answers.set(target, serverResponse);
  opened = [...target.querySelectorAll("details[data-keep-open][open]")].map((one) => one.id);
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (!event.detail.target?.matches?.("[data-steady]")) return;
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
});
