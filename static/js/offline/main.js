/* The installed app: the service worker and its updates, and the songs that this device keeps while they play. */

import { find } from "../shared/dom.js";
import { gettext } from "../shared/i18n.js";
import { listener, say } from "../shared/requests.js";
import { canKeep, choice, choose, forgetSongs, keep } from "./kept.js";

const KEPT_AFTER_S = 10;
const ASK_AGAIN_MS = 3_600_000;

const toast = find(document, "#update");
const csrf = find(document, "#csrf");

const audio = () => find(document, "[data-player-audio]", HTMLAudioElement);

// The copy of a page that this device keeps says nothing of a person; whose songs are here, the browser knows.
if (document.documentElement.hasAttribute("data-copy")) {
  csrf.dataset.listener = choice().listener;
  const theme = /(?:^|; )theme=(light|dark)/.exec(document.cookie)?.[1];
  if (theme) document.documentElement.dataset.theme = theme;
  // It stands at the address that was asked for.
  window.addEventListener("online", () => {
    if (audio().paused) location.reload();
  });
}

/** Songs belong to whoever played them: they stay when a visitor signs in, and go with whoever signs out. */
function settleOwner() {
  const { limit, listener: owner } = choice();
  if (owner === listener()) return;
  choose({ listener: listener() });
  if (owner && limit) forgetSongs();
}
if (canKeep()) {
  settleOwner();
  new MutationObserver(settleOwner).observe(csrf, { attributeFilter: ["data-listener"] });
}

/** @type {Track | null} */
let track = null;
document.addEventListener("player:track", (event) => {
  track = event.detail;
});
document.addEventListener("player:time", (event) => {
  const { song, timeS, durationS } = event.detail;
  // What is skipped soon is not worth its bytes.
  if (!track || track.song !== song || timeS < Math.min(KEPT_AFTER_S, durationS / 2)) return;
  const playing = track;
  track = null;
  if (canKeep() && choice().limit && !navigator.connection?.saveData) keepPlaying(playing);
});

/** @param {Track} playing */
async function keepPlaying(playing) {
  // As it plays, whatever was asked of the server for it.
  const { origin, pathname, search } = new URL(audio().currentSrc || playing.src, location.href);
  const outcome = await keep(playing, origin === location.origin ? pathname + search : playing.src);
  if (outcome === "full") say(gettext("This device has no room to keep the song."));
  document.dispatchEvent(new CustomEvent("offline:kept"));
}

/**
 * Offers to reload as soon as a new version waits; until then everything is of the old one.
 * @param {ServiceWorkerRegistration} registration
 */
function offerUpdate(registration) {
  const { waiting } = registration;
  // Without a controller it is the first version that this browser sees.
  if (!waiting || !navigator.serviceWorker.controller) return;
  toast.hidden = false;
  const [reload, close] = toast.querySelectorAll("button");
  reload.onclick = () => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    waiting.postMessage("activate");
  };
  close.onclick = () => {
    toast.hidden = true;
  };
}

/** @param {string} address */
async function register(address) {
  const registration = await navigator.serviceWorker.register(address, { type: "module", updateViaCache: "none" });
  offerUpdate(registration);
  registration.addEventListener("updatefound", () => {
    const { installing } = registration;
    installing?.addEventListener("statechange", () => {
      if (installing.state === "installed") offerUpdate(registration);
    });
  });
  // Pages change without a load, which is when browsers look by themselves.
  let askedAt = Date.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || Date.now() - askedAt < ASK_AGAIN_MS) return;
    askedAt = Date.now();
    registration.update().catch(() => {});
  });
  await navigator.serviceWorker.ready;
  // The kept page is in the language of its first visit.
  const { lang } = document.documentElement;
  const known = sessionStorage.getItem("moodplane.copy");
  if (known !== lang) registration.active?.postMessage("copy");
  sessionStorage.setItem("moodplane.copy", lang);
}

const { worker } = toast.dataset;
if (worker && "serviceWorker" in navigator) {
  const begin = () => register(worker).catch(() => {});
  // Music first.
  if (document.readyState === "complete") begin();
  else window.addEventListener("load", begin, { once: true });
}
