/* The queue: which songs, which of them is playing, kept for this browser tab so that a reload resumes. */

const KEY = "moodplane.queue";

/** Reads the song that a page's element describes. */
export function trackOf(element) {
  const { song, title, artist, artistHref, href, src, cover, reason, playedUrl, skippedUrl, completedUrl, feltUrl, played } = element.dataset;
  return { song, title, artist, artistHref, href, src, cover, reason, playedUrl, skippedUrl, completedUrl, feltUrl, played: played === "true" };
}

/** Reads every playable song of a list. */
export function tracksOf(list) {
  return [...list.querySelectorAll("[data-track]")].map(trackOf);
}

export class Queue {
  constructor() {
    this.tracks = [];
    this.index = -1;
    this.playlist = "";
    this.pageUrl = "";
    this.timeS = 0;
    this.volume = 1;
    this.muted = false;
    this.restore();
  }

  get current() {
    return this.tracks[this.index];
  }

  get hasNext() {
    return this.index + 1 < this.tracks.length;
  }

  /** Replaces the queue by a list on the page. */
  fill(list, index) {
    this.tracks = tracksOf(list);
    this.index = index;
    this.playlist = list.dataset.playlist || "";
    this.pageUrl = list.dataset.pageUrl || "";
    this.timeS = 0;
    this.save();
  }

  /** Takes over a new order of the same playlist without touching the song that plays. */
  reorder(list) {
    const now = this.current;
    const tracks = tracksOf(list);
    let index = tracks.findIndex((track) => track.song === now?.song);
    if (index < 0 && now) {
      index = tracks.findLastIndex((track) => track.played) + 1;
      tracks.splice(index, 0, now);
    }
    this.tracks = tracks;
    this.index = index;
    this.save();
  }

  save() {
    const { tracks, index, playlist, pageUrl, timeS, volume, muted } = this;
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ tracks, index, playlist, pageUrl, timeS, volume, muted }));
    } catch {
      // A browser that refuses storage still plays; it only forgets on reload.
    }
  }

  restore() {
    try {
      Object.assign(this, JSON.parse(sessionStorage.getItem(KEY) || "{}"));
    } catch {
      this.tracks = [];
      this.index = -1;
    }
  }
}
