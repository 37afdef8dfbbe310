/* Answers that could not be saved wait in this browser, and are sent when the server answers again. */

import { gettext, interpolate } from "../shared/i18n.js";
import { csrfToken, listener, say } from "../shared/requests.js";

const KEY = "moodplane.felt.pending";
const AGAIN_MS = 20_000;
const LIMIT = 50;
let timer = 0;
let sending = false;

/** @returns {PendingAnswer[]} */
function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY) || "[]");
  } catch {
    return [];
  }
}

/** @param {PendingAnswer[]} answers */
function write(answers) {
  try {
    if (answers.length) localStorage.setItem(KEY, JSON.stringify(answers.slice(-LIMIT)));
    else localStorage.removeItem(KEY);
    return true;
  } catch {
    // A browser that refuses storage keeps the answer in the form only.
    return false;
  }
}

/**
 * Keeps an answer to be sent later, and returns whether it could. A later answer for the same song replaces it.
 * @param {PendingAnswer} answer
 */
export function keepAnswer({ song, url, title, values }) {
  const others = read().filter((answer) => answer.song !== song);
  const kept = write([...others, { song, url, title, values, listener: listener() }]);
  schedule();
  return kept;
}

/**
 * Forgets what waits for a song: it was saved by other ways.
 * @param {string} song
 */
export function forgetAnswer(song) {
  /**
   */
  write(read().filter((answer) => answer.song !== song));
}

/** @param {PendingAnswer} answer */
async function send(answer) {
  const body = new URLSearchParams([...answer.values, ["csrfmiddlewaretoken", csrfToken()]]);
  const response = await fetch(answer.url, { method: "POST", body, headers: { Accept: "application/json" } });
  // Too many at once, or a server that is not well: later. Anything else it refused for good.
  if (response.status === 429 || response.status >= 500) throw new Error(`status ${response.status}`);
  return response.ok ? (await response.json()).sentence : "";
}

/** Sends pending answers; those of another account in this browser wait for it. */
export async function sendAnswers() {
  if (sending) return;
  sending = true;
  try {
    for (const answer of read()) {
      if (answer.listener && answer.listener !== listener()) continue;
      const sentence = await send(answer);
      forgetAnswer(answer.song);
      if (!sentence) continue;
      const fmt = gettext("The server is back: your answer for “%(title)s” was sent.");
      say(interpolate(fmt, answer, true));
      document.dispatchEvent(new CustomEvent("felt:sent", { detail: { song: answer.song } }));
    }
  } catch {
    schedule();
  } finally {
    sending = false;
  }
}

function schedule() {
  clearTimeout(timer);
  timer = setTimeout(sendAnswers, AGAIN_MS);
}

window.addEventListener("online", sendAnswers);
if (read().length) sendAnswers();
