/* The page of the songs that this device keeps: what is there, what may be kept, and letting go of it. */

import { find, findAll } from "../shared/dom.js";
import { gettext, interpolate, language, ngettext } from "../shared/i18n.js";
import { bytesOf, canKeep, choice, forgetSongs, isElsewhere, keptSongs, setLimit } from "./kept.js";

const attached = new WeakSet();

function mount() {
  const page = document.querySelector("[data-kept]");
  if (page && !attached.has(page)) attach(page);
}

/** @param {Element} page */
function attach(page) {
  attached.add(page);
  find(page, "[data-kept-elsewhere]").hidden = !isElsewhere();
  find(page, "[data-kept-impossible]").hidden = canKeep() || isElsewhere();
  find(page, "[data-kept-tools]").hidden = !canKeep();
  if (!canKeep()) return;
  for (const radio of findAll(page, "[data-kept-limit]", HTMLInputElement)) {
    radio.checked = Number(radio.value) === choice().limit;
    radio.addEventListener("change", async () => {
      // Browsers clear what nobody asked them to keep when the disk fills up.
      if (Number(radio.value)) await navigator.storage?.persist?.();
      await setLimit(Number(radio.value));
      await show(page);
    });
  }
  find(page, "[data-kept-remove]").addEventListener("click", async () => {
    await forgetSongs();
    await show(page);
  });
  const again = () => {
    if (page.isConnected) show(page);
    else document.removeEventListener("offline:kept", again);
  };
  document.addEventListener("offline:kept", again);
  show(page);
}

/** @param {Element} page */
async function show(page) {
  const songs = await keptSongs();
  const list = find(page, "[data-queue]");
  const template = find(page, "template", HTMLTemplateElement);
  list.replaceChildren(...songs.map((song) => row(template, song)));
  const used = interpolate(gettext("%(size)s used"), { size: size(bytesOf(songs)) }, true);
  const count = interpolate(ngettext("%(n)s song", "%(n)s songs", songs.length), { n: songs.length }, true);
  find(page, "[data-kept-used]").textContent = songs.length ? `${count} · ${used}` : gettext("No song is kept yet.");
  find(page, "[data-kept-remove]", HTMLButtonElement).hidden = !songs.length;
  find(page, "[data-play-all]", HTMLButtonElement).hidden = !songs.length;
}

/**
 * @param {HTMLTemplateElement} template
 * @param {KeptSong} song
 */
function row(template, { track, bytes }) {
  const one = find(/** @type {DocumentFragment} */ (template.content.cloneNode(true)), "li");
  // Why it was chosen, and whether it was played, was said of another list.
  Object.assign(one.dataset, { ...track, reason: "", played: "" });
  const { title, artist, href, cover } = track;
  find(one, "[data-play]").setAttribute("aria-label", interpolate(gettext("Play %(title)s"), { title }, true));
  find(one, "img", HTMLImageElement).src = cover;
  find(one, ".song-row__title").textContent = title;
  find(one, ".song-row__title", HTMLAnchorElement).href = href;
  find(one, "[data-kept-artist]").textContent = artist;
  find(one, ".song-row__time").textContent = size(bytes);
  return one;
}

/** @param {number} bytes */
function size(bytes) {
  const unit = bytes < 1e9 ? "megabyte" : "gigabyte";
  const value = bytes / (unit === "megabyte" ? 1e6 : 1e9);
  const digits = value < 10 ? 1 : 0;
  return new Intl.NumberFormat(language(), { style: "unit", unit, maximumFractionDigits: digits }).format(value);
}

// A module runs once, but the page can be swapped in again and again.
document.addEventListener("htmx:load", mount);
mount();
