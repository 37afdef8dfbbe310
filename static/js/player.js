/* The player: one audio element outside #main. Pages describe songs in data attributes; the player reads them. */

import { Queue } from "./queue.js";

const SEEK_S = 10;
const FAILURES_IN_A_ROW = 3;
const FAILURE_PAUSE_MS = 1800;
const REASONS = {
  2: "the connection broke off",
  3: "the file could not be decoded",
  4: "the file is missing or this browser cannot play its format",
};

const bar = document.getElementById("player");
const part = (name) => bar.querySelector(`[data-player-${name}]`);
const audio = part("audio");
const seek = part("seek");
const volume = part("volume");
const queue = new Queue();
let wanted = false;
let recorded = false;
let failures = 0;
let failureTimer = 0;
let savedAt = 0;

const clock = (seconds) => {
  const whole = Number.isFinite(seconds) ? Math.floor(seconds) : 0;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};
const say = (sentence) => { part("status").textContent = sentence; };

async function post(url, values) {
  const body = new URLSearchParams({ ...values, csrfmiddlewaretoken: document.querySelector("#csrf input").value });
  try {
    return await fetch(url, { method: "POST", body, keepalive: true, headers: { Accept: "application/json" } });
  } catch {
    // Lost feedback must never stop the music.
    return null;
  }
}

/* What is shown ------------------------------------------------------------------------------------------------ */

function showTrack() {
  const track = queue.current;
  bar.hidden = !track;
  if (!track) return;
  Object.assign(bar.dataset, { song: track.song, playlist: queue.playlist, feltUrl: track.feltUrl });
  for (const [name, text, href] of [["title", track.title, track.href], ["artist", track.artist, track.artistHref]]) {
    part(name).textContent = text;
    part(name).href = href;
  }
  part("cover").src = track.cover;
  part("cover-link").href = track.href;
  part("reason").textContent = track.reason || "";
  part("reason").title = track.reason || "";
  part("feel").href = `${queue.pageUrl || track.href}#felt`;
  markPlaying();
  document.dispatchEvent(new CustomEvent("player:track"));
  if (!("mediaSession" in navigator)) return;
  const artwork = [{ src: new URL(track.cover, location.href).href }];
  navigator.mediaSession.metadata = new MediaMetadata({ title: track.title, artist: track.artist, artwork });
}

function markPlaying() {
  for (const row of document.querySelectorAll("[data-track]")) {
    const here = row.dataset.song === queue.current?.song;
    if (here) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
    const playing = here && !audio.paused;
    row.toggleAttribute("data-playing", playing);
    for (const button of row.querySelectorAll("[data-play]")) {
      button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${row.dataset.title}`);
      button.querySelector("use").setAttribute("href", playing ? "#i-pause" : "#i-play");
      const word = button.querySelector("[data-play-word]");
      if (word) word.textContent = playing ? "Pause" : "Play";
    }
  }
}

function showState() {
  part("toggle").setAttribute("aria-label", audio.paused ? "Play" : "Pause");
  part("toggle-icon").setAttribute("href", audio.paused ? "#i-play" : "#i-pause");
  part("next").disabled = !queue.hasNext;
  markPlaying();
  if ("mediaSession" in navigator) navigator.mediaSession.playbackState = audio.paused ? "paused" : "playing";
}

function showTime() {
  const whole = Number.isFinite(audio.duration) ? audio.duration : 0;
  part("elapsed").textContent = clock(audio.currentTime);
  part("duration").textContent = clock(whole);
  const share = whole ? audio.currentTime / whole : 0;
  seek.value = Math.round(share * 1000);
  seek.style.setProperty("--played", `${share * 100}%`);
  seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(whole)}`);
}

function showVolume() {
  volume.value = audio.volume;
  part("mute").setAttribute("aria-pressed", String(audio.muted));
  part("mute-icon").setAttribute("href", audio.muted ? "#i-muted" : "#i-volume");
  Object.assign(queue, { volume: audio.volume, muted: audio.muted });
  queue.save();
}

/* What it does ------------------------------------------------------------------------------------------------- */

async function play() {
  wanted = true;
  try {
    await audio.play();
  } catch (error) {
    if (error.name === "NotAllowedError") say("The browser waits for you: press play to begin.");
  }
}

function pause() {
  wanted = false;
  audio.pause();
}

function open(timeS = 0) {
  clearTimeout(failureTimer);
  recorded = false;
  say("");
  audio.src = queue.current.src;
  if (timeS) audio.currentTime = timeS;
  showTrack();
  showState();
}

function start(list, index) {
  noteSkip();
  queue.fill(list, index);
  failures = 0;
  open();
  play();
}

function step(by) {
  const index = queue.index + by;
  if (index < 0 || index >= queue.tracks.length) return;
  queue.index = index;
  queue.timeS = 0;
  queue.save();
  open();
  play();
}

function next() {
  if (!queue.hasNext) return;
  noteSkip();
  step(1);
}

function previous() {
  // As on any player: back to the beginning first, to the previous song only from there.
  if (audio.currentTime > 4 || queue.index <= 0) audio.currentTime = 0;
  else step(-1);
}

function toggle() {
  if (!queue.current) return;
  if (audio.paused) play();
  else pause();
}

/** Leaving a song before its end says something about it; how much, the server knows. */
async function noteSkip() {
  const track = queue.current;
  if (!track?.skippedUrl || !recorded || audio.ended) return;
  const playlist = queue.playlist;
  const answer = await post(track.skippedUrl, { listened_s: audio.currentTime.toFixed(1), playlist });
  if (!answer?.ok || !playlist) return;
  const { changed, sentence } = await answer.json();
  if (changed) document.dispatchEvent(new CustomEvent("player:reranked", { detail: { playlist, sentence } }));
}

/** Fetches the new order of the playlist in play, for the page if it shows it and for the queue in any case. */
async function refreshQueue({ playlist, sentence }) {
  if (playlist !== queue.playlist) return;
  const shownList = document.querySelector(`[data-queue][data-playlist="${playlist}"]`);
  // Whoever puts the list in order by hand keeps the buttons for it.
  if (shownList?.hasAttribute("data-arranging")) return;
  const answer = await fetch(`${queue.pageUrl}items/`);
  if (!answer.ok) return;
  const html = await answer.text();
  const list = new DOMParser().parseFromString(html, "text/html").querySelector("[data-queue]");
  if (list) queue.reorder(list);
  const shown = document.querySelector(`[data-queue][data-playlist="${playlist}"]`);
  if (!shown) return;
  htmx.swap(shown, html, { swapStyle: "outerHTML" });
  const changes = document.getElementById("playlist-changes");
  if (changes) changes.textContent = sentence;
}

/* Events ------------------------------------------------------------------------------------------------------- */

audio.addEventListener("playing", () => {
  failures = 0;
  say("");
  const track = queue.current;
  if (recorded || !track) return;
  recorded = true;
  post(track.playedUrl, { playlist: queue.playlist });
});

audio.addEventListener("timeupdate", () => {
  showTime();
  if (Math.abs(audio.currentTime - savedAt) < 2) return;
  savedAt = queue.timeS = audio.currentTime;
  queue.save();
});

audio.addEventListener("ended", () => {
  const track = queue.current;
  if (track?.completedUrl && recorded) post(track.completedUrl, { listened_s: audio.duration.toFixed(1), playlist: queue.playlist });
  if (queue.hasNext) step(1);
  else say("That was the last song of the list.");
});

audio.addEventListener("error", () => {
  const track = queue.current;
  if (!track || !audio.getAttribute("src")) return;
  failures += 1;
  const why = REASONS[audio.error?.code] || "the browser gave it up";
  // A song that is only shown after a reload is not in anybody's way.
  const goesOn = wanted && queue.hasNext && failures < FAILURES_IN_A_ROW;
  const then = goesOn ? " Going on to the next song." : wanted ? " Playing stopped." : "";
  say(`“${track.title}” could not be played: ${why}.${then}`);
  showState();
  if (goesOn) failureTimer = setTimeout(() => step(1), FAILURE_PAUSE_MS);
});

for (const name of ["play", "pause", "ended", "emptied"]) audio.addEventListener(name, showState);
for (const name of ["durationchange", "seeked"]) audio.addEventListener(name, showTime);
audio.addEventListener("volumechange", showVolume);

part("toggle").addEventListener("click", toggle);
part("next").addEventListener("click", next);
part("previous").addEventListener("click", previous);
part("mute").addEventListener("click", () => { audio.muted = !audio.muted; });
part("feel").addEventListener("click", (event) => {
  // The panel may be on this very page already: go to it without loading anything.
  const panel = document.getElementById("felt");
  const here = panel?.dataset.playlist ? panel.dataset.playlist === queue.playlist : panel?.dataset.song === queue.current?.song;
  if (!here) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  panel.scrollIntoView({ block: "center" });
  panel.querySelector("input[type=range], a")?.focus({ preventScroll: true });
});
volume.addEventListener("input", () => { audio.volume = Number(volume.value); });
seek.addEventListener("input", () => {
  if (Number.isFinite(audio.duration)) audio.currentTime = (Number(seek.value) / 1000) * audio.duration;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-play], [data-play-all]");
  const list = button?.closest("[data-queue]") || document.querySelector("[data-queue][data-main-queue]");
  if (!button || !list) return;
  const rows = [...list.querySelectorAll("[data-track]")];
  const samePlace = (list.dataset.playlist || "") === queue.playlist;
  const current = samePlace ? rows.find((one) => one.dataset.song === queue.current?.song) : undefined;
  const row = button.closest("[data-track]") || current || rows.find((one) => one.dataset.played !== "true") || rows[0];
  if (!row) return;
  // The button that plays a whole list goes on with it, and never stops what it says it plays.
  if (row === current) button.matches("[data-play-all]") ? play() : toggle();
  else start(list, rows.indexOf(row));
});

document.addEventListener("keydown", (event) => {
  const busy = event.target.closest("input, textarea, select, button, summary, [contenteditable]");
  if (busy || event.ctrlKey || event.metaKey || event.altKey || !queue.current) return;
  const actions = {
    " ": toggle,
    ArrowRight: () => { audio.currentTime += SEEK_S; },
    ArrowLeft: () => { audio.currentTime -= SEEK_S; },
    m: () => { audio.muted = !audio.muted; },
    M: () => { audio.muted = !audio.muted; },
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

document.addEventListener("player:reranked", (event) => refreshQueue(event.detail));

document.addEventListener("htmx:load", (event) => {
  const elt = event.detail.elt;
  const list = elt.matches("[data-queue]") ? elt : elt.querySelector("[data-queue][data-playlist]");
  if (list && queue.playlist && list.dataset.playlist === queue.playlist) queue.reorder(list);
  showState();
  const begin = elt.matches("[data-autoplay]") ? elt : elt.querySelector("[data-autoplay]");
  if (!begin) return;
  begin.removeAttribute("data-autoplay");
  // Without this a reload, or the way back, would start the list again.
  history.replaceState(history.state, "", location.pathname);
  start(begin, 0);
});

if ("mediaSession" in navigator) {
  const handlers = {
    play,
    pause,
    previoustrack: previous,
    nexttrack: next,
    seekto: (details) => { audio.currentTime = details.seekTime; },
  };
  for (const [name, handler] of Object.entries(handlers)) navigator.mediaSession.setActionHandler(name, handler);
}

audio.volume = queue.volume;
audio.muted = queue.muted;
if (queue.current) open(queue.timeS);
showVolume();
