/* Shows the queue of files on the upload page: how far all is, and a row each for those that matter now. */
import { find } from "../shared/dom.js";
import { gettext, interpolate, language, ngettext } from "../shared/i18n.js";

const DRAW_EVERY_MS = 200;
// Hundreds of rows would be redrawn for nothing: those that go, those that failed, and the next ones in line are shown.
/** @type {Partial<Record<UploadState, number>>} */
const SHOWN = { sending: 10, checking: 10, failed: 30, waiting: 30 };
const RATE_OVER_MS = 8000;

/** @typedef {ReturnType<typeof partsOf>} Parts */

/** @param {ParentNode} page */
function partsOf(page) {
  /**
   * @template {typeof Element} [T=typeof HTMLElement]
   * @param {string} name
   * @param {T} [type]
   */
  const part = (name, type) => find(page, `[data-upload-${name}]`, type);
  return {
    panel: part("queue"),
    title: find(page, "#upload-queue-title"),
    summary: part("summary"),
    bar: part("bar", HTMLProgressElement),
    note: part("note"),
    list: part("items"),
    more: part("more"),
    template: part("template", HTMLTemplateElement),
    pause: part("pause"),
    resend: part("resend"),
    cancel: part("cancel"),
    said: part("said"),
  };
}

export class UploadView {
  /** @param {UploadQueue} queue */
  constructor(queue) {
    this.queue = queue;
    /** @type {Map<UploadItem, HTMLElement>} */
    this.rows = new Map();
    /** @type {[number, number][]} */
    this.samples = [];
    this.noted = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.said = "";
    /** @type {Parts | null} */
    this.parts = null;
    queue.addEventListener("change", () => this.soon());
    queue.addEventListener("note", (event) => {
      this.noted = /** @type {CustomEvent<string>} */ (event).detail;
      this.soon();
    });
  }

  /**
   * Takes over the elements of a page that was just shown.
   * @param {ParentNode} page
   */
  mount(page) {
    const parts = partsOf(page);
    this.parts = parts;
    this.rows.clear();
    parts.pause.addEventListener("click", () => (this.queue.paused ? this.queue.goOn() : this.queue.pause()));
    parts.resend.addEventListener("click", () => this.queue.again(this.queue.failed));
    parts.cancel.addEventListener("click", () => {
      this.queue.cancelWaiting();
      parts.title.focus();
    });
    this.draw();
  }

  soon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.draw();
    }, DRAW_EVERY_MS);
  }

  draw() {
    const { queue, parts } = this;
    if (!parts?.panel.isConnected) return;
    const totals = queue.totals;
    parts.panel.hidden = !queue.items.length && !this.noted;
    parts.panel.classList.toggle("is-busy", queue.busy);
    parts.bar.value = totals.bytes ? Math.floor((1000 * totals.sentBytes) / totals.bytes) : 0;
    parts.bar.hidden = !queue.busy;
    parts.summary.textContent = this.summaryOf(totals);
    parts.title.textContent = queue.busy || queue.paused ? gettext("Sending") : gettext("Sent");
    parts.pause.hidden = !queue.busy && !queue.paused;
    parts.pause.textContent = queue.paused ? gettext("Resume") : gettext("Pause");
    parts.resend.hidden = queue.failed.length < 2;
    parts.cancel.hidden = queue.waiting.length < 2;
    this.drawNote(parts.note);
    this.drawRows(parts);
    this.announce(parts, totals);
  }

  /** @param {HTMLElement} note */
  drawNote(note) {
    const words = this.noteWords();
    if (note.textContent !== words) note.textContent = words;
    note.hidden = !words;
  }

  noteWords() {
    const { queue } = this;
    if (this.noted)
      return interpolate(
        gettext("%(why)s Sending is paused: sign in again if you were signed out, then resume."),
        { why: this.noted },
        true,
      );
    if (queue.offline)
      return gettext("The server cannot be reached. Sending resumes when it is back; keep this page open.");
    const seconds = Math.ceil((queue.heldUntil - Date.now()) / 1000);
    if (seconds > 0 && queue.busy) {
      setTimeout(() => this.soon(), 1000);
      return interpolate(
        ngettext("The server asks to wait %(n)s second.", "The server asks to wait %(n)s seconds.", seconds),
        { n: seconds },
        true,
      );
    }
    return "";
  }

  /** @param {UploadTotals} totals */
  summaryOf(totals) {
    const { queue } = this;
    if (!totals.files) return "";
    const words = {
      sent: totals.sent,
      all: totals.files,
      bytes: size(totals.sentBytes),
      total: size(totals.bytes),
      failed: totals.failed,
    };
    if (!queue.busy) {
      if (totals.failed) return interpolate(gettext("%(sent)s of %(all)s sent, %(failed)s failed."), words, true);
      return interpolate(
        ngettext("Done: %(all)s file sent.", "Done: all %(all)s files sent.", totals.files),
        words,
        true,
      );
    }
    const left = this.left(totals);
    if (queue.paused)
      return interpolate(gettext("Paused: %(sent)s of %(all)s files sent, %(bytes)s of %(total)s."), words, true);
    if (left)
      return interpolate(
        gettext("%(sent)s of %(all)s files sent, %(bytes)s of %(total)s, %(left)s left."),
        { ...words, left },
        true,
      );
    return interpolate(gettext("%(sent)s of %(all)s files sent, %(bytes)s of %(total)s."), words, true);
  }

  /**
   * Guesses from the last seconds how long the rest takes.
   * @param {UploadTotals} totals
   */
  left({ bytes, sentBytes }) {
    const now = performance.now();
    this.samples.push([now, sentBytes]);
    this.samples = this.samples.filter(([at, there]) => now - at < RATE_OVER_MS && there <= sentBytes);
    const [[since, before]] = this.samples;
    if (now - since < 1500 || sentBytes <= before) return "";
    return duration(((bytes - sentBytes) * (now - since)) / (sentBytes - before) / 1000);
  }

  /** @param {Parts} parts */
  drawRows(parts) {
    const shown = this.shown();
    const kept = new Set(shown);
    for (const [item, row] of this.rows) {
      if (kept.has(item)) continue;
      // Keyboard focus stays in the list.
      if (row.contains(document.activeElement)) {
        const below = row.nextElementSibling;
        (below ? find(below, "[data-cancel]") : parts.title).focus();
      }
      row.remove();
      this.rows.delete(item);
    }
    /** @type {HTMLElement | null} */
    let place = null;
    for (const item of shown) {
      const row = this.rows.get(item) ?? this.newRow(parts.template, item);
      /** @type {Element | null} */
      const next = place ? place.nextElementSibling : parts.list.firstElementChild;
      if (row !== next) parts.list.insertBefore(row, next);
      drawRow(row, item);
      place = row;
    }
    this.drawMore(parts.more, shown);
  }

  shown() {
    const room = { ...SHOWN };
    return this.queue.items.filter(({ state }) => {
      const left = room[state] ?? 0;
      room[state] = left - 1;
      return left > 0;
    });
  }

  /**
   * @param {HTMLElement} more
   * @param {UploadItem[]} shown
   */
  drawMore(more, shown) {
    const hiddenRows = this.queue.items.filter((item) => item.state in SHOWN).length - shown.length;
    more.hidden = hiddenRows < 1;
    more.textContent = interpolate(
      ngettext("and %(n)s more file", "and %(n)s more files", hiddenRows),
      { n: hiddenRows },
      true,
    );
  }

  /**
   * @param {HTMLTemplateElement} template
   * @param {UploadItem} item
   */
  newRow(template, item) {
    const row = /** @type {HTMLElement} */ (find(template.content, "li").cloneNode(true));
    const { name } = item.file;
    find(row, "[data-name]").textContent = name;
    find(row, "progress").setAttribute("aria-label", interpolate(gettext("Progress of %(name)s"), { name }, true));
    find(row, "[data-cancel]").setAttribute("aria-label", interpolate(gettext("Do not send %(name)s"), { name }, true));
    find(row, "[data-cancel]").addEventListener("click", () => this.queue.cancel(item));
    find(row, "[data-again]").addEventListener("click", () => this.queue.again([item]));
    this.rows.set(item, row);
    return row;
  }

  /**
   * Announces what matters to those who do not see the bar, not every percent.
   * @param {Parts} parts
   * @param {UploadTotals} totals
   */
  announce(parts, { files, sent, failed, bytes, sentBytes }) {
    const { queue } = this;
    const quarter = bytes ? 25 * Math.floor((4 * sentBytes) / bytes) : 0;
    let words = "";
    if (!queue.busy && files) words = parts.summary.textContent ?? "";
    else if (this.noteWords() && (queue.offline || this.noted)) words = parts.note.textContent ?? "";
    else if (queue.paused)
      words = interpolate(gettext("Paused: %(sent)s of %(all)s files sent."), { sent, all: files }, true);
    else if (queue.busy && quarter) words = interpolate(gettext("%(percent)s %% sent."), { percent: quarter }, true);
    else if (queue.busy)
      words = interpolate(
        ngettext("Sending %(n)s file.", "Sending %(n)s files.", files - failed),
        { n: files - failed },
        true,
      );
    if (words === this.said) return;
    this.said = words;
    parts.said.textContent = words;
  }
}

/**
 * @param {HTMLElement} row
 * @param {UploadItem} item
 */
function drawRow(row, item) {
  const percent = item.file.size ? Math.floor((100 * item.bytes) / item.file.size) : 0;
  const progress = find(row, "progress", HTMLProgressElement);
  if (progress.value !== percent) progress.value = percent;
  progress.hidden = item.state === "failed";
  row.dataset.state = item.state;
  const status = find(row, "[data-status]");
  const words = statusOf(item, percent);
  if (status.textContent !== words) status.textContent = words;
  find(row, "[data-again]").hidden = item.state !== "failed";
}

/**
 * @param {UploadItem} item
 * @param {number} percent
 */
function statusOf({ state, sentence, file }, percent) {
  if (state === "failed") return sentence;
  if (state === "checking") return gettext("checking");
  if (state === "sending")
    return interpolate(gettext("%(percent)s %% of %(size)s"), { percent, size: size(file.size) }, true);
  if (percent) return interpolate(gettext("waiting; %(percent)s %% sent already"), { percent }, true);
  return interpolate(gettext("waiting, %(size)s"), { size: size(file.size) }, true);
}

/**
 * Writes a number of bytes as people do.
 * @param {number} bytes
 */
function size(bytes) {
  const units = ["kilobyte", "megabyte", "gigabyte"];
  const step = Math.min(2, Math.floor(Math.log10(Math.max(bytes, 1000)) / 3) - 1);
  /** @type {Intl.NumberFormatOptions} */
  const style = { style: "unit", unit: units[step], unitDisplay: "short", maximumSignificantDigits: 3 };
  return new Intl.NumberFormat(language(), style).format(bytes / 1000 ** (step + 1));
}

/** @param {number} seconds */
function duration(seconds) {
  const [length, unit] = seconds < 90 ? [1, "second"] : seconds < 5400 ? [60, "minute"] : [3600, "hour"];
  const number = Math.max(1, Math.round(seconds / length));
  return new Intl.NumberFormat(language(), { style: "unit", unit, unitDisplay: "long" }).format(number);
}
