/* Answers on their way to the server. Each waits in this browser until the server took it, so that none is lost when the
 * server cannot be reached or the page is left; they are sent in the order in which they were given.
 */

import { gettext, interpolate } from "../shared/i18n.js";
import { csrfToken, listener, say } from "../shared/requests.js";

const KEY = "moodplane.felt.pending";
const AGAIN_MS = 20_000;
const LIMIT = 50;
let timer = 0;
let sending = false;
/** @type {PendingAnswer[] | null} */
let unstored = null;

/** @returns {PendingAnswer[]} */
function read() {
  if (unstored) return unstored;
  try {
    return JSON.parse(localStorage.getItem(KEY) || "[]");
  } catch {
    return [];
  }
}

/** @param {PendingAnswer[]} answers */
function write(answers) {
  const newest = answers.slice(-LIMIT);
  try {
    if (newest.length) localStorage.setItem(KEY, JSON.stringify(newest));
    else localStorage.removeItem(KEY);
    unstored = null;
  } catch {
    // A browser that refuses storage keeps answers as long as the page stays.
    unstored = newest;
  }
}

/** @param {PendingAnswer} answer */
const isOurs = (answer) => !answer.listener || answer.listener === listener();

/**
 * Sends an answer, now or as soon as the server answers again.
 * @param {Omit<PendingAnswer, "id">} answer
 */
export function give(answer) {
  const id = `${Date.now()}-${Math.random()}`;
  write([...read(), { ...answer, id, listener: listener() }]);
  return sendAnswers();
}

/**
 * @param {PendingAnswer} answer
 * @returns {Promise<Pick<FeltVerdict, "status" | "said">>}
 */
async function send({ url, values }) {
  const body = new URLSearchParams([...values, ["csrfmiddlewaretoken", csrfToken()]]);
  const headers = { Accept: "application/json" };
  const response = await fetch(url, { method: "POST", body, keepalive: true, headers });
  // Too many at once, or a server that is not well: later. Anything else it refused for good.
  if (response.status === 429 || response.status >= 500) throw new Error(`status ${response.status}`);
  const isJson = response.headers.get("Content-Type")?.includes("json");
  // Without JSON it is a page of ours: whoever was signed in no longer is.
  return { status: isJson || !response.ok ? response.status : 403, said: isJson ? await response.json() : {} };
}

/**
 * Tells the panels what became of an answer.
 * @param {PendingAnswer} answer
 * @param {Partial<FeltVerdict>} verdict
 */
function tell({ song, title, values }, verdict) {
  const playlist = new Map(values).get("playlist") ?? "";
  const isLast = !read().some((each) => each.song === song);
  const detail = { song, title, playlist, status: 0, said: {}, isStored: unstored === null, isLast, ...verdict };
  document.dispatchEvent(new CustomEvent("felt:said", { detail }));
}

/** Sends what waits, in order; answers of another account in this browser wait for it. */
export async function sendAnswers() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  try {
    for (let answer = read().find(isOurs); answer; answer = read().find(isOurs)) {
      const { id, title, isLate } = answer;
      const verdict = await send(answer);
      write(read().filter((each) => each.id !== id));
      if (isLate && verdict.status === 200) {
        say(interpolate(gettext("The server is back: your answer for “%(title)s” was sent."), { title }, true));
      }
      tell(answer, verdict);
    }
  } catch {
    const late = read().filter(isOurs);
    write(read().map((answer) => (isOurs(answer) ? { ...answer, isLate: true } : answer)));
    for (const answer of late) tell(answer, {});
    timer = setTimeout(sendAnswers, AGAIN_MS);
  } finally {
    sending = false;
  }
}

window.addEventListener("online", sendAnswers);
if (read().length) sendAnswers();
