/* Several tabs: one plays at a time, and a new one offers to go on with what another left. */

import { find } from "../shared/dom.js";
import { gettext, interpolate } from "../shared/i18n.js";
import { listener } from "../shared/requests.js";
import { store, stored } from "../shared/storage.js";

const LAST = "moodplane.last";
const LAST_POSITION = "moodplane.last.position";
const OFFERED_FOR_MS = 14 * 24 * 3600 * 1000;
const PLAYING_MS = 6000;

/** @param {Player} player */
export function attachTabs(player) {
  const { queue, sound } = player;
  const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("moodplane.player") : null;
  sound.addEventListener("play", () => channel?.postMessage("playing"));
  player.addEventListener("left", () => channel?.postMessage("left"));
  channel?.addEventListener("message", ({ data }) => {
    // Somebody signed out: what this page shows of them goes as well, and the page may be theirs alone.
    if (data === "left") {
      player.clear();
      forget();
      location.assign("/");
      return;
    }
    if (sound.paused) return;
    player.pause();
    player.say(gettext("Playback continues in another tab."));
  });
  const keep = () => {
    if (queue.current) store(localStorage, LAST, queue.content);
  };
  for (const type of ["track", "queue"])
    player.addEventListener(type, () => {
      if (player.wanted) keep();
    });
  let keptAt = 0;
  sound.addEventListener("play", keep);
  sound.addEventListener("timeupdate", () => {
    if (sound.paused || Date.now() - keptAt < 2000) return;
    keptAt = Date.now();
    store(localStorage, LAST_POSITION, { timeS: sound.timeS, savedAt: keptAt });
  });
}

/**
 * In a tab without a queue: offers to go on with the last song of the same listener; nothing starts by itself.
 * @param {Player} player
 * @param {HTMLElement} box
 */
export function offerToContinue(player, box) {
  const last = stored(localStorage, LAST);
  const { timeS = 0, savedAt = 0 } = stored(localStorage, LAST_POSITION);
  const track = last.tracks?.[last.index];
  const age = Date.now() - savedAt;
  if (!track || last.listener !== listener() || age > OFFERED_FOR_MS || age < PLAYING_MS) return;
  const [go, close] = box.querySelectorAll("button");
  find(go, "span").textContent = interpolate(gettext("Continue: %(title)s"), { title: track.title }, true);
  box.hidden = false;
  const end = () => {
    box.hidden = true;
  };
  go.addEventListener("click", () => {
    end();
    Object.assign(player.queue, last, { timeS });
    player.queue.save();
    player.open(timeS);
    player.play();
    player.tell("queue");
  });
  close.addEventListener("click", () => {
    end();
    forget();
  });
  player.addEventListener("start", end);
}

/** Lets go of the last song of somebody who signed out. */
export function forgetOthers() {
  const owner = stored(localStorage, LAST).listener;
  if (owner && owner !== listener()) forget();
}

function forget() {
  for (const key of [LAST, LAST_POSITION]) localStorage.removeItem(key);
}
