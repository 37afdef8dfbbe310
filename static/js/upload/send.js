/* Sends one file. Small ones go in one request; large ones in pieces (tus 1.0.0), so that a break costs one piece.
 *
 * Every sender resolves, never rejects, with what became of it:
 *   { kind: "done", statusUrl }                 the server has it, and says there what becomes of it
 *   { kind: "aborted" | "lost" }                lost: no answer, or one that says to try again
 *   { kind: "later", afterS }                   the server asks for a pause
 *   { kind: "failed" | "refused", sentence }    refused: not this file, but its sender (signed out)
 */

import { gettext, interpolate } from "../shared/i18n.js";
import { csrfToken } from "../shared/requests.js";

const PIECE_BYTES = 4 * 1024 * 1024;
const LARGE_BYTES = 2 * PIECE_BYTES;
const RETRY_AFTER_DEFAULT_S = 5;
/**
 * @typedef {object} RequestOptions
 * @property {Record<string, string>} [headers]
 * @property {XMLHttpRequestBodyInit | null} [body]
 * @property {(bytes: number) => void} [onBytes]
 * @property {AbortSignal} [signal]
 *
 * @typedef {object} Answer
 * @property {number} status 0 when no answer came.
 * @property {boolean} aborted
 * @property {string} text
 * @property {(name: string) => string | null} header
 *
 * @typedef {{ url: string, offset: number, verdict?: Verdict }} Session
 */

const TUS = { "Tus-Resumable": "1.0.0" };
// Answers of a proxy whose server is just being restarted, and of a server that fell over.
const PASSING = new Set([408, 500, 502, 503, 504]);
// A session that keeps saying the same would otherwise be asked for ever.
const MOST_SURPRISES = 5;

/**
 * Sends a file the way that suits its size. `onBytes` receives the number of bytes sent, `signal` stops it.
 * @param {File} file
 * @param {UploadPlaces & SendOptions} options
 * @returns {Promise<Verdict>}
 */
export async function send(file, options) {
  if (!(await isReadable(file))) return { kind: "failed", sentence: unreadable() };
  return file.size > LARGE_BYTES ? sendLarge(file, options) : sendSmall(file, options);
}

/**
 * Returns whether the server answers at all.
 * @param {string} url
 */
export async function isReachable(url) {
  try {
    await fetch(url, { method: "OPTIONS", cache: "no-store" });
    return true;
  } catch {
    return false;
  }
}

/**
 * Deletes on the server the parts of a file whose upload was cancelled.
 * @param {File} file
 * @param {{ resumableUrl: string }} places
 */
export async function discard(file, { resumableUrl }) {
  const session = await sessionOf(file, resumableUrl, undefined);
  if (session.url) await request("DELETE", session.url, { headers: TUS });
}

/**
 * @param {File} file
 * @param {UploadPlaces & SendOptions} options
 * @returns {Promise<Verdict>}
 */
async function sendSmall(file, { uploadUrl, onBytes, signal }) {
  const body = new FormData();
  body.append("file", file, file.name);
  // The form around the file counts in what the browser reports.
  const answer = await request("POST", uploadUrl, {
    body,
    signal,
    onBytes: (bytes) => onBytes(Math.min(bytes, file.size)),
  });
  return answer.status === 202 ? { kind: "done", statusUrl: JSON.parse(answer.text).status_url } : verdictOf(answer);
}

/**
 * @param {File} file
 * @param {UploadPlaces & SendOptions} options
 * @returns {Promise<Verdict>}
 */
async function sendLarge(file, { resumableUrl, onBytes, onSession, signal }) {
  let { url, offset, verdict } = await sessionOf(file, resumableUrl, signal);
  if (verdict) return verdict;
  for (let surprises = 0; surprises < MOST_SURPRISES; ) {
    if (!url) {
      ({ url, offset, verdict } = await begin(file, resumableUrl, signal));
      if (verdict) return verdict;
    }
    onSession(url);
    onBytes(offset);
    const answer = await sendPiece(file, url, offset, onBytes, signal);
    if ("kind" in answer) return answer;
    if (answer.status === 204) {
      if (answer.header("Upload-Status-Url")) return doneAt(answer);
      const next = Number(answer.header("Upload-Offset"));
      // Nothing taken and nothing finished is no progress.
      if (!(next > offset)) surprises += 1;
      offset = next;
      continue;
    }
    surprises += 1;
    if (answer.status === 409) {
      const asked = await request("HEAD", url, { headers: TUS, signal });
      if (asked.status !== 200) return verdictOf(asked);
      if (asked.header("Upload-Status-Url")) return doneAt(asked);
      offset = Number(asked.header("Upload-Offset"));
    } else if (answer.status === 404 || answer.status === 410) {
      url = "";
    } else if (answer.status !== 460) {
      return verdictOf(answer);
    }
  }
  return {
    kind: "failed",
    sentence: gettext("The server did not accept the chunks of this file. Send it again later."),
  };
}

/**
 * @param {Answer} answer
 * @returns {Verdict}
 */
function doneAt(answer) {
  // Behind a proxy the server may believe in another origin than this page has.
  const url = new URL(answer.header("Upload-Status-Url") ?? "", location.href);
  return { kind: "done", statusUrl: url.pathname };
}

/**
 * Finds an earlier unfinished upload of the same file, in this tab, another one, or before a reload.
 * @param {File} file
 * @param {string} resumableUrl
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<Session>}
 */
async function sessionOf(file, resumableUrl, signal) {
  const answer = await request("GET", resumableUrl, { signal });
  if (answer.status !== 200) return { url: "", offset: 0, verdict: verdictOf(answer) };
  const print = fingerprintOf(file);
  const found = /** @type {{ fingerprint: string, size_bytes: number, offset_bytes: number, url: string }[]} */ (
    JSON.parse(answer.text)
  ).find((one) => one.fingerprint === print && one.size_bytes === file.size);
  return found ? { url: found.url, offset: found.offset_bytes } : { url: "", offset: 0 };
}

/**
 * @param {File} file
 * @param {string} resumableUrl
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<Session>}
 */
async function begin(file, resumableUrl, signal) {
  const metadata = `filename ${base64(file.name)},fingerprint ${base64(fingerprintOf(file))}`;
  const headers = { ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": metadata };
  const answer = await request("POST", resumableUrl, { headers, signal });
  if (answer.status !== 201) return { url: "", offset: 0, verdict: verdictOf(answer) };
  // Behind a proxy the server may believe in another origin than this page has.
  return { url: new URL(answer.header("Location") ?? "").pathname, offset: 0 };
}

/**
 * @param {File} file
 * @param {string} url
 * @param {number} offset
 * @param {(bytes: number) => void} onBytes
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<Answer | Verdict>}
 */
async function sendPiece(file, url, offset, onBytes, signal) {
  /** @type {ArrayBuffer} */
  let piece;
  try {
    piece = await file.slice(offset, offset + PIECE_BYTES).arrayBuffer();
  } catch {
    return { kind: "failed", sentence: unreadable() };
  }
  /** @type {Record<string, string>} */
  const headers = { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
  // Browsers offer digests only to pages that came over TLS or from this machine.
  if (globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", piece));
    headers["Upload-Checksum"] = `sha256 ${btoa(String.fromCharCode(...digest))}`;
  }
  /** @param {number} bytes */
  const onPart = (bytes) => onBytes(offset + bytes);
  return request("PATCH", url, { headers, body: piece, onBytes: onPart, signal });
}

/**
 * One request; resolves always, with status 0 when no answer came.
 * @param {string} method
 * @param {string} url
 * @param {RequestOptions} [options]
 * @returns {Promise<Answer>}
 */
function request(method, url, { headers = {}, body = null, onBytes, signal } = {}) {
  return new Promise((resolve) => {
    const xhr = new XMLHttpRequest();
    /**
     */
    /** @param {boolean} aborted */
    const answer = (aborted) =>
      resolve({
        status: xhr.status,
        aborted,
        text: xhr.responseText,
        header: (name) => xhr.getResponseHeader(name),
      });
    xhr.open(method, url);
    for (const [name, value] of Object.entries({
      "X-CSRFToken": csrfToken(),
      Accept: "application/json",
      ...headers,
    })) {
      xhr.setRequestHeader(name, value);
    }
    if (onBytes) xhr.upload.addEventListener("progress", (event) => onBytes(event.loaded));
    for (const end of ["load", "error", "timeout"]) xhr.addEventListener(end, () => answer(false));
    xhr.addEventListener("abort", () => answer(true));
    if (signal?.aborted) {
      answer(true);
      return;
    }
    signal?.addEventListener("abort", () => xhr.abort(), { once: true });
    xhr.send(body);
  });
}

/**
 * @param {Answer} answer
 * @returns {Verdict}
 */
function verdictOf({ status, aborted, text, header }) {
  if (aborted) return { kind: "aborted" };
  if (status === 0 || PASSING.has(status)) return { kind: "lost" };
  if (status === 429) return { kind: "later", afterS: Number(header("Retry-After")) || RETRY_AFTER_DEFAULT_S };
  const sentence = sentenceOf(text) || interpolate(gettext("The server answered %(status)s."), { status }, true);
  return { kind: status === 401 || status === 403 ? "refused" : "failed", sentence };
}

/** @param {string} text */
function sentenceOf(text) {
  try {
    return JSON.parse(text).detail ?? "";
  } catch {
    return "";
  }
}

/**
 * A file that was moved, changed or on a disk that is gone cannot be sent, which would look like a lost connection.
 * @param {File} file
 */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function unreadable() {
  return gettext("The file can no longer be read: it was moved or changed. Choose it again.");
}

/** @param {File} file */
function fingerprintOf(file) {
  return `${file.size}-${file.lastModified}-${encodeURIComponent(file.name.toWellFormed?.() ?? file.name)}`.slice(
    0,
    500,
  );
}

/** @param {string} text */
function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
