/* The files that wait to be sent: two at a time, held while paused, while the server asks for it, or without connection.
 *
 * It knows nothing of the page. A view listens for "change"; "sent" means that the server has one file more,
 * and "note" carries a sentence for people.
 */
import { gettext } from "../shared/i18n.js";

const PARALLEL = 2;
// With the server answering in between, a file that is lost so often will not arrive.
const MOST_LOSSES = 4;
const OFFLINE_WAITS_S = [2, 4, 8, 15, 30];

export class UploadQueue extends EventTarget {
  /**
   * `send(file, options)` sends one; `isReachable()` returns whether the server answers.
   * @param {{ send(file: File, options: SendOptions): Promise<Verdict>, isReachable(): Promise<boolean>, parallel?: number }} options
   */
  constructor({ send, isReachable, parallel = PARALLEL }) {
    super();
    this.send = send;
    this.isReachable = isReachable;
    this.parallel = parallel;
    /** @type {UploadItem[]} */
    this.items = [];
    this.running = 0;
    this.paused = false;
    this.offline = false;
    this.heldUntil = 0;
  }

  get waiting() {
    return this.items.filter((item) => item.state === "waiting");
  }
  get failed() {
    return this.items.filter((item) => item.state === "failed");
  }
  get busy() {
    return this.running > 0 || this.items.some((item) => item.state === "waiting");
  }

  /** How far all of it is: files and bytes, sent and in all. */
  get totals() {
    const totals = { files: 0, sent: 0, bytes: 0, sentBytes: 0, failed: 0 };
    for (const { state, file, bytes } of this.items) {
      totals.files += 1;
      if (state === "sent") totals.sent += 1;
      if (state === "failed") {
        totals.failed += 1;
        continue;
      }
      totals.bytes += file.size;
      totals.sentBytes += state === "sent" ? file.size : bytes;
    }
    return totals;
  }

  /** @param {File[]} files */
  add(files) {
    // What was sent before this round would only blur how far it is.
    if (!this.busy) this.items = this.items.filter((item) => item.state === "failed");
    for (const file of files)
      this.items.push({ file, state: "waiting", bytes: 0, losses: 0, sentence: "", session: "" });
    this.pump();
  }

  pause() {
    this.paused = true;
    // Small files are let through; of a large one the server keeps what it has.
    for (const item of this.items) if (item.session) item.stop?.abort();
    this.tell();
  }

  goOn() {
    this.paused = false;
    this.note("");
    this.pump();
  }

  /**
   * Gives a file up; one that is on its way is stopped.
   * @param {UploadItem} item
   */
  cancel(item) {
    item.stop?.abort();
    item.cancelled = true;
    this.dispatchEvent(new CustomEvent("cancel", { detail: item }));
    this.items = this.items.filter((each) => each !== item);
    this.pump();
  }

  cancelWaiting() {
    this.items = this.items.filter((item) => item.state !== "waiting");
    this.tell();
  }

  /** @param {UploadItem[]} items */
  again(items) {
    for (const item of items) Object.assign(item, { state: "waiting", losses: 0, sentence: "" });
    this.pump();
  }

  pump() {
    const free = !this.paused && !this.offline && Date.now() >= this.heldUntil;
    for (const item of free ? this.waiting : []) {
      if (this.running >= this.parallel) break;
      this.run(item);
    }
    this.tell();
  }

  /** @param {UploadItem} item */
  async run(item) {
    this.running += 1;
    item.state = "sending";
    item.stop = new AbortController();
    const result = await this.send(item.file, {
      signal: item.stop.signal,
      onBytes: (bytes) => {
        item.bytes = bytes;
        item.state = bytes >= item.file.size ? "checking" : "sending";
        this.tell();
      },
      onSession: (url) => {
        item.session = url;
      },
    });
    this.running -= 1;
    item.stop = undefined;
    if (!item.cancelled) this.settle(item, result);
    this.pump();
  }

  /**
   * @param {UploadItem} item
   * @param {Verdict} verdict
   */
  settle(item, { kind, sentence = "", afterS = 0, statusUrl = "" }) {
    if (kind === "done") {
      Object.assign(item, { state: "sent", bytes: item.file.size, session: "", statusUrl });
      this.dispatchEvent(new CustomEvent("sent", { detail: item }));
      return;
    }
    if (!item.session) item.bytes = 0;
    item.state = "waiting";
    if (kind === "failed") Object.assign(item, { state: "failed", sentence });
    else if (kind === "later") this.hold(afterS);
    else if (kind === "refused") this.stopFor(sentence);
    else if (kind === "lost") this.lose(item);
  }

  /** @param {UploadItem} item */
  lose(item) {
    item.losses += 1;
    if (item.losses < MOST_LOSSES) {
      this.waitForConnection();
      return;
    }
    const words = gettext("The upload failed repeatedly although the server answers. Send it again later.");
    Object.assign(item, { state: "failed", sentence: words });
  }

  /**
   * Waits as long as the server asks before anything else is sent.
   * @param {number} seconds
   */
  hold(seconds) {
    this.heldUntil = Math.max(this.heldUntil, Date.now() + seconds * 1000);
    setTimeout(() => this.pump(), this.heldUntil - Date.now() + 50);
  }

  /**
   * Stops for a reason that concerns every file: nothing more is sent until the user resumes.
   * @param {string} sentence
   */
  stopFor(sentence) {
    this.paused = true;
    this.note(sentence);
  }

  async waitForConnection() {
    if (this.offline) return;
    this.offline = true;
    this.tell();
    for (let turn = 0; this.offline; turn += 1) {
      await pauseOrOnline(OFFLINE_WAITS_S[Math.min(turn, OFFLINE_WAITS_S.length - 1)]);
      if (navigator.onLine && (await this.isReachable())) this.offline = false;
    }
    this.pump();
  }

  /** @param {string} sentence */
  note(sentence) {
    this.dispatchEvent(new CustomEvent("note", { detail: sentence }));
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * Waits some seconds, or until the browser says that there is a network again.
 * @param {number} seconds
 * @returns {Promise<void>}
 */
function pauseOrOnline(seconds) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    addEventListener("online", done);
  });
}
