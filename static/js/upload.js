/* The curator's upload page: several files and whole folders, each with its own progress.
 *
 * Every file is one request to the API, so a file that fails takes no other with it. What becomes of a file after
 * it was sent lives in the database and is shown by the table below, which htmx keeps fresh.
 */

const PARALLEL = 2;
const RETRY_AFTER_DEFAULT_S = 5;

let unfinished = 0;

/** One upload form with its queue. */
class Uploader {
  constructor(form) {
    this.form = form;
    const page = form.closest("main") ?? document;
    this.queue = page.querySelector("[data-upload-queue]");
    this.items = page.querySelector("[data-upload-items]");
    this.summary = page.querySelector("[data-upload-summary]");
    this.template = page.querySelector("[data-upload-template]");
    this.suffixes = form.dataset.audioSuffixes.split(" ");
    this.waiting = [];
    this.running = 0;
    this.sent = 0;
    this.total = 0;
    this.listen();
  }

  listen() {
    const files = this.form.querySelector("[data-upload-files]");
    const folder = this.form.querySelector("[data-upload-folder]");
    if ("webkitdirectory" in folder) this.form.querySelector("[data-upload-folder-field]").hidden = false;
    this.form.querySelector("[data-upload-submit]").hidden = true;
    for (const input of [files, folder]) {
      // The browser's own field names the chosen file, which is only of use where a submit button follows.
      input.classList.add("visually-hidden");
      input.labels[0].className = input === files ? "button" : "button button--quiet";
    }
    const takeFiles = () => { this.add([...files.files]); files.value = ""; };
    const takeFolder = () => { this.addFolder([...folder.files]); folder.value = ""; };
    files.addEventListener("change", takeFiles);
    folder.addEventListener("change", takeFolder);
    // Somebody quick, or a slow network: files may have been chosen before this module was there to hear of it.
    if (files.files.length) takeFiles();
    if (folder.files.length) takeFolder();
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("dragover", (event) => { event.preventDefault(); this.form.classList.add("is-over"); });
    this.form.addEventListener("dragleave", () => this.form.classList.remove("is-over"));
    this.form.addEventListener("drop", (event) => this.drop(event));
  }

  async drop(event) {
    event.preventDefault();
    this.form.classList.remove("is-over");
    // The list of items is emptied by the browser as soon as this handler awaits, so take everything out first.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const plain = [...event.dataTransfer.files];
    if (!entries.length) { this.add(plain); return; }
    for (const entry of entries) {
      if (entry.isDirectory) this.addFolder(await filesOf(entry));
      else this.add(await filesOf(entry));
    }
  }

  /** Of a folder only what looks like audio is offered: it also holds covers and logs that nobody means. */
  addFolder(files) {
    const audio = files.filter((file) => this.suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix)));
    if (audio.length) this.add(audio);
    else this.say("There is no audio in this folder.");
  }

  add(files) {
    for (const file of files) {
      const item = this.template.content.firstElementChild.cloneNode(true);
      item.querySelector("[data-name]").textContent = file.name;
      item.querySelector("progress").setAttribute("aria-label", `Sent of ${file.name}`);
      item.querySelector("[data-again]").addEventListener("click", () => this.enqueue(file, item));
      this.items.append(item);
      this.total += 1;
      this.enqueue(file, item);
    }
  }

  enqueue(file, item) {
    item.querySelector("[data-again]").hidden = true;
    setStatus(item, "waiting");
    this.queue.hidden = false;
    this.waiting.push([file, item]);
    this.pump();
  }

  pump() {
    while (this.running < PARALLEL && this.waiting.length) {
      const [file, item] = this.waiting.shift();
      this.running += 1;
      this.send(file, item).finally(() => { this.running -= 1; this.tell(); this.pump(); });
    }
    this.tell();
  }

  async send(file, item) {
    unfinished += 1;
    const answer = await post(this.form, file, (percent) => {
      item.querySelector("progress").value = percent;
      setStatus(item, percent < 100 ? `${percent} %` : "checking");
    });
    unfinished -= 1;
    if (answer.status === 429) {
      setStatus(item, "waiting, because the server asked for a pause");
      await pause(answer.retryAfterS);
      this.waiting.push([file, item]);
      return;
    }
    if (answer.status !== 202) {
      setStatus(item, answer.sentence);
      item.querySelector("[data-again]").hidden = false;
      return;
    }
    this.sent += 1;
    item.remove();
    // The row now lives in the table; ask for it at once.
    document.body.dispatchEvent(new CustomEvent("uploads-changed"));
  }

  tell() {
    const left = this.running + this.waiting.length;
    this.say(left ? `${this.sent} of ${this.total} sent.` : `All done: ${this.sent} of ${this.total} sent.`);
  }

  say(sentence) {
    this.queue.hidden = false;
    if (this.summary.textContent !== sentence) this.summary.textContent = sentence;
  }
}

/** Sends one file; resolves always, with the status and, where it failed, a sentence. */
function post(form, file, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", form.dataset.uploadUrl);
    request.setRequestHeader("X-CSRFToken", csrfToken(form));
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(Math.floor((100 * event.loaded) / event.total));
    });
    request.addEventListener("load", () => resolve({
      status: request.status,
      sentence: sentenceOf(request),
      retryAfterS: Number(request.getResponseHeader("Retry-After")) || RETRY_AFTER_DEFAULT_S,
    }));
    request.addEventListener("error", () => resolve({ status: 0, sentence: "The connection broke." }));
    request.addEventListener("timeout", () => resolve({ status: 0, sentence: "The server took too long." }));
    const body = new FormData();
    body.append("file", file, file.name);
    request.send(body);
  });
}

function sentenceOf(request) {
  try {
    return JSON.parse(request.responseText).detail ?? "";
  } catch {
    return `The server answered ${request.status}.`;
  }
}

/** The page frame's token is renewed after signing in; the form's own is the fallback. */
function csrfToken(form) {
  return (document.querySelector("#csrf input") ?? form.querySelector("[name=csrfmiddlewaretoken]")).value;
}

/** All files below a dropped entry. */
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // One call gives at most a hundred entries.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const each of some) found.push(...await filesOf(each));
  }
}

function setStatus(item, text) {
  item.querySelector("[data-status]").textContent = text;
}

function pause(seconds) {
  return new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });
}

/** Takes over every upload form that is not taken over yet. */
function mount() {
  for (const form of document.querySelectorAll("form[data-upload]:not([data-mounted])")) {
    form.dataset.mounted = "";
    new Uploader(form);
  }
}

// Boosted navigation keeps sending; closing the tab would not.
window.addEventListener("beforeunload", (event) => { if (unfinished) event.preventDefault(); });

// A module runs once, but the page can be swapped in again and again.
document.addEventListener("htmx:load", mount);
mount();
