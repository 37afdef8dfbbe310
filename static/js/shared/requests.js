/* What scripts ask the server and say to the page. */

import { find } from "./dom.js";

/** Returns the token that every changing request carries.
 *
 * The cookie is renewed by signing in, also in another tab; the token in the page may be older than that.
 */
export function csrfToken() {
  const cookie = document.cookie.split("; ").find((each) => each.startsWith("csrftoken="));
  return cookie ? cookie.slice("csrftoken=".length) : find(document, "#csrf input", HTMLInputElement).value;
}

/** Returns who is signed in, or nothing. */
export function listener() {
  return document.getElementById("csrf")?.dataset.listener || "";
}

/**
 * Sends a form, also while the page is left; null when there is no answer.
 * @param {string} url
 * @param {Record<string, string>} values
 */
export async function post(url, values) {
  const body = new URLSearchParams({ ...values, csrfmiddlewaretoken: csrfToken() });
  try {
    return await fetch(url, { method: "POST", body, keepalive: true, headers: { Accept: "application/json" } });
  } catch {
    return null;
  }
}

/**
 * Shows a sentence at the foot of the page.
 * @param {string} sentence
 */
export function say(sentence) {
  document.dispatchEvent(new CustomEvent("moodplane:say", { detail: sentence }));
}
