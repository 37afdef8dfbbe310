/* Shows the queue of files on the upload page: how far all is, and a row each for those that matter now. */
import { gettext, interpolate, language, ngettext } from "../shared/i18n.js";

const DRAW_EVERY_MS = 200;
// Hundreds of rows would be redrawn for nothing: those that go, those that failed, and the next ones in line are shown.
const SHOWN = { sending: 10, checking: 10, failed: 30, waiting: 30 };
const RATE_OVER_MS = 8000;

export class UploadView {
  constructor(queue) {
    this.queue = queue;
    this.rows = new Map();
    this.samples = [];
    this.said = "";
    queue.addEventListener("change", () => this.soon());
    queue.addEventListener("note", ({ detail }) => { this.noted = detail; this.soon(); });
  }

  /** Takes over the elements of a page that was just shown. */
  mount(page) {
    const find = (name) => page.querySelector(`[data-upload-${name}]`);
    Object.assign(this, {
      panel: find("queue"), list: find("items"), template: find("template"), summary: find("summary"), bar: find("bar"),
      more: find("more"), note: find("note"), pauseButton: find("pause"), resendButton: find("resend"),
      cancelButton: find("cancel"), status: find("said"), title: page.querySelector("#upload-queue-title"),
    });
    this.rows.clear();
    this.pauseButton.addEventListener("click", () => (this.queue.paused ? this.queue.goOn() : this.queue.pause()));
    this.resendButton.addEventListener("click", () => this.queue.again(this.queue.failed));
    this.cancelButton.addEventListener("click", () => { this.queue.cancelWaiting(); this.title.focus(); });
    this.draw();
  }

  soon() {
    this.timer ??= setTimeout(() => { this.timer = undefined; this.draw(); }, DRAW_EVERY_MS);
  }

  draw() {
    if (!this.panel?.isConnected) return;
    const { queue } = this;
    const totals = queue.totals;
    this.panel.hidden = !queue.items.length && !this.noted;
    this.panel.classList.toggle("is-busy", queue.busy);
    this.bar.value = totals.bytes ? Math.floor((1000 * totals.sentBytes) / totals.bytes) : 0;
    this.bar.hidden = !queue.busy;
    this.summary.textContent = this.summaryOf(totals);
    this.title.textContent = queue.busy || queue.paused ? gettext("Sending") : gettext("Sent");
    this.pauseButton.hidden = !queue.busy && !queue.paused;
    this.pauseButton.textContent = queue.paused ? gettext("Go on") : gettext("Pause");
    this.resendButton.hidden = queue.failed.length < 2;
    this.cancelButton.hidden = queue.waiting.length < 2;
    this.drawNote();
    this.drawRows();
    this.announce(totals);
  }

  drawNote() {
    const words = this.noteWords();
    if (this.note.textContent !== words) this.note.textContent = words;
    this.note.hidden = !words;
  }

  noteWords() {
    const { queue } = this;
    if (this.noted) return interpolate(gettext("%(why)s Sending is paused: sign in again if you were signed out, then go on."), { why: this.noted }, true);
    if (queue.offline) return gettext("The server cannot be reached. Sending goes on by itself as soon as it can; keep this page open.");
    const seconds = Math.ceil((queue.heldUntil - Date.now()) / 1000);
    if (seconds > 0 && queue.busy) {
      setTimeout(() => this.soon(), 1000);
      return interpolate(ngettext("The server asks for a pause of %(n)s second.", "The server asks for a pause of %(n)s seconds.", seconds), { n: seconds }, true);
    }
    return "";
  }

  summaryOf(totals) {
    const { queue } = this;
    if (!totals.files) return "";
    const words = { sent: totals.sent, all: totals.files, bytes: size(totals.sentBytes), total: size(totals.bytes), failed: totals.failed };
    if (!queue.busy) {
      if (totals.failed) return interpolate(gettext("%(sent)s of %(all)s sent, %(failed)s not."), words, true);
      return interpolate(ngettext("Done: %(all)s file is sent.", "Done: all %(all)s files are sent.", totals.files), words, true);
    }
    words.left = this.left(totals);
    if (queue.paused) return interpolate(gettext("Paused: %(sent)s of %(all)s files sent, %(bytes)s of %(total)s."), words, true);
    if (words.left) return interpolate(gettext("%(sent)s of %(all)s files sent, %(bytes)s of %(total)s, %(left)s left."), words, true);
    return interpolate(gettext("%(sent)s of %(all)s files sent, %(bytes)s of %(total)s."), words, true);
  }

  /** Guesses from the last seconds how long the rest takes. */
  left({ bytes, sentBytes }) {
    const now = performance.now();
    this.samples.push([now, sentBytes]);
    this.samples = this.samples.filter(([at, there]) => now - at < RATE_OVER_MS && there <= sentBytes);
    const [[since, before]] = this.samples;
    if (now - since < 1500 || sentBytes <= before) return "";
    return duration(((bytes - sentBytes) * (now - since)) / (sentBytes - before) / 1000);
  }

  drawRows() {
    const shown = this.shown();
    const kept = new Set(shown);
    for (const [item, row] of this.rows) {
      if (kept.has(item)) continue;
      // Somebody who works down the list by keyboard stays in it.
      if (row.contains(document.activeElement)) (row.nextElementSibling?.querySelector("[data-cancel]") ?? this.title).focus();
      row.remove();
      this.rows.delete(item);
    }
    let place = null;
    for (const item of shown) {
      const row = this.rows.get(item) ?? this.newRow(item);
      const next = place ? place.nextElementSibling : this.list.firstElementChild;
      if (row !== next) this.list.insertBefore(row, next);
      drawRow(row, item);
      place = row;
    }
    this.drawMore(shown);
  }

  shown() {
    const room = { ...SHOWN };
    return this.queue.items.filter((item) => room[item.state]-- > 0);
  }

  drawMore(shown) {
    const hiddenRows = this.queue.items.filter((item) => item.state in SHOWN).length - shown.length;
    this.more.hidden = hiddenRows < 1;
    this.more.textContent = interpolate(ngettext("and %(n)s more file", "and %(n)s more files", hiddenRows), { n: hiddenRows }, true);
  }

  newRow(item) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    const { name } = item.file;
    row.querySelector("[data-name]").textContent = name;
    row.querySelector("progress").setAttribute("aria-label", interpolate(gettext("Sent of %(name)s"), { name }, true));
    row.querySelector("[data-cancel]").setAttribute("aria-label", interpolate(gettext("Do not send %(name)s"), { name }, true));
    row.querySelector("[data-cancel]").addEventListener("click", () => this.queue.cancel(item));
    row.querySelector("[data-again]").addEventListener("click", () => this.queue.again([item]));
    this.rows.set(item, row);
    return row;
  }

  /** Tells those who do not see the bar what matters, and not every percent. */
  announce({ files, sent, failed, bytes, sentBytes }) {
    const { queue } = this;
    const quarter = bytes ? 25 * Math.floor((4 * sentBytes) / bytes) : 0;
    let words = "";
    if (!queue.busy && files) words = this.summary.textContent;
    else if (this.noteWords() && (queue.offline || this.noted)) words = this.note.textContent;
    else if (queue.paused) words = interpolate(gettext("Paused: %(sent)s of %(all)s files sent."), { sent, all: files }, true);
    else if (queue.busy && quarter) words = interpolate(gettext("%(percent)s %% sent."), { percent: quarter }, true);
    else if (queue.busy) words = interpolate(ngettext("Sending %(n)s file.", "Sending %(n)s files.", files - failed), { n: files - failed }, true);
    if (words === this.said) return;
    this.said = words;
    this.status.textContent = words;
  }
}

function drawRow(row, item) {
  const percent = item.file.size ? Math.floor((100 * item.bytes) / item.file.size) : 0;
  const progress = row.querySelector("progress");
  if (progress.value !== percent) progress.value = percent;
  progress.hidden = item.state === "failed";
  row.dataset.state = item.state;
  const status = row.querySelector("[data-status]");
  const words = statusOf(item, percent);
  if (status.textContent !== words) status.textContent = words;
  row.querySelector("[data-again]").hidden = item.state !== "failed";
}

function statusOf({ state, sentence, file }, percent) {
  if (state === "failed") return sentence;
  if (state === "checking") return gettext("checking");
  if (state === "sending") return interpolate(gettext("%(percent)s %% of %(size)s"), { percent, size: size(file.size) }, true);
  if (percent) return interpolate(gettext("waiting; %(percent)s %% is there already"), { percent }, true);
  return interpolate(gettext("waiting, %(size)s"), { size: size(file.size) }, true);
}

/** Writes a number of bytes as people do. */
function size(bytes) {
  const units = ["kilobyte", "megabyte", "gigabyte"];
  const step = Math.min(2, Math.floor(Math.log10(Math.max(bytes, 1000)) / 3) - 1);
  const style = { style: "unit", unit: units[step], unitDisplay: "short", maximumSignificantDigits: 3 };
  return new Intl.NumberFormat(language(), style).format(bytes / 1000 ** (step + 1));
}

function duration(seconds) {
  const steps = [[90, 1, "second"], [5400, 60, "minute"], [Infinity, 3600, "hour"]];
  const [, length, unit] = steps.find(([below]) => seconds < below);
  const number = Math.max(1, Math.round(seconds / length));
  return new Intl.NumberFormat(language(), { style: "unit", unit, unitDisplay: "long" }).format(number);
}
