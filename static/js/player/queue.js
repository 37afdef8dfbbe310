/* The queue: which songs, which of them is playing, stored for this browser tab so that a reload resumes. */

import { findAll } from "../shared/dom.js";
import { listener } from "../shared/requests.js";
import { store, stored } from "../shared/storage.js";

const KEY = "moodplane.queue";
const POSITION = "moodplane.position";
const MOST_BEHIND = 100;

/**
 * Reads the song that a page's element describes; all that belongs to a song has its address below the song's own.
 * @param {HTMLElement} element
 */
export function trackOf(element) {
  const { song = "", title = "", artist = "", artistHref = "", href = "", reason = "", played } = element.dataset;
  const { album = "", type = "", bitRate = "" } = element.dataset;
  return {
    song,
    title,
    artist,
    artistHref,
    href,
    reason,
    played: played === "true",
    album,
    type,
    bitRate: Number(bitRate),
    src: `${href}audio`,
    cover: `${href}cover`,
    playedUrl: `${href}played/`,
    skippedUrl: `${href}skipped/`,
    completedUrl: `${href}completed/`,
    feltUrl: `${href}felt/`,
    waveformUrl: `${href}waveform/`,
  };
}

/**
 * Reads every playable song of a list.
 * @param {HTMLElement} list
 */
export function tracksOf(list) {
  return findAll(list, "[data-track]").map(trackOf);
}

/**
 * Returns the lot that a song draws: the same for the same seed, whatever else is in the list.
 * @param {number} seed
 * @param {string} song
 */
function lot(seed, song) {
  let value = seed;
  for (const letter of `${song}.`) value = Math.imul(value ^ letter.charCodeAt(0), 0x5bd1e995) ^ (value >>> 13);
  return (Math.imul(value ^ (value >>> 15), 0x2c1b3c6d) ^ (value >>> 12)) >>> 0;
}

export class Queue {
  constructor() {
    /** @type {Track[]} */
    this.tracks = [];
    this.index = -1;
    this.playlist = "";
    this.pageUrl = "";
    // "journey", "comparison", or something that goes on by itself.
    this.kind = "";
    // The songs as the list has them, for when shuffling ends; songs removed here stay out.
    /** @type {string[]} */
    this.listed = [];
    /** @type {string[]} */
    this.removed = [];
    // Songs that the listener added to the queue of a list; a new order of the list leaves them in.
    /** @type {string[]} */
    this.added = [];
    this.shuffled = false;
    this.seed = 0;
    this.arranged = false;
    this.timeS = 0;
    this.wasPlaying = false;
    this.savedAt = 0;
    // Whose queue it is; what a visitor plays stays theirs when they sign in.
    this.listener = "";
    this.restore();
  }

  /** Makes the queue that of whoever is signed in; false where it is another person's, which is nobody else's business. */
  adopt() {
    if (this.listener && this.listener !== listener()) return false;
    this.listener = listener();
    return true;
  }

  clear() {
    Object.assign(this, { tracks: [], index: -1, playlist: "", pageUrl: "", kind: "" });
    Object.assign(this, { listed: [], removed: [], added: [] });
    Object.assign(this, { shuffled: false, arranged: false, timeS: 0, wasPlaying: false, listener: listener() });
    this.save();
  }

  /** @returns {Track | undefined} */
  get current() {
    return this.tracks[this.index];
  }

  /**
   * Returns where the next song stands, or -1 after the last one.
   * @param {Repeat} repeat
   */
  nextIndex(repeat) {
    if (this.index + 1 < this.tracks.length) return this.index + 1;
    return repeat === "all" && this.tracks.length ? 0 : -1;
  }

  /**
   * Returns where the song before stands, or -1 before the first one.
   * @param {Repeat} repeat
   */
  previousIndex(repeat) {
    return this.index > 0 || repeat !== "all" ? this.index - 1 : this.tracks.length - 1;
  }

  /**
   * Replaces the queue by a list on the page.
   * @param {HTMLElement} list
   * @param {number} index
   */
  fill(list, index) {
    this.tracks = tracksOf(list);
    this.adopt();
    this.added = [];
    const { playlist = "", pageUrl = "", kind = "" } = list.dataset;
    Object.assign(this, { index, playlist, pageUrl, kind });
    Object.assign(this, {
      listed: this.tracks.map((track) => track.song),
      removed: [],
      shuffled: false,
      arranged: false,
      timeS: 0,
    });
    this.save();
  }

  /**
   * Takes over a new order of the same playlist without touching the song that plays.
   * @param {HTMLElement} list
   */
  reorder(list) {
    const fresh = tracksOf(list).filter((track) => !this.removed.includes(track.song));
    // What the list went on with is not in it.
    const more = this.tracks.filter((track) => track.more);
    this.listed = [...fresh, ...more].map((track) => track.song);
    const now = this.current;
    if (this.shuffled || this.arranged) this.#refresh([...fresh, ...more]);
    else if (now?.more) Object.assign(this, { tracks: [...fresh, ...more], index: fresh.length + more.indexOf(now) });
    else {
      this.#follow(fresh);
      this.tracks.push(...more);
    }
    this.save();
  }

  /**
   * Adds songs that the list goes on with; of a queue that never ends, the beginning goes.
   * @param {Track[]} tracks
   */
  extend(tracks) {
    for (const track of tracks) {
      this.tracks.push({ ...track, more: true });
      this.listed.push(track.song);
    }
    const surplus = Math.max(0, this.index - MOST_BEHIND);
    this.tracks.splice(0, surplus);
    this.index -= surplus;
    this.save();
  }

  /** @param {Track[]} fresh */
  #follow(fresh) {
    const now = this.current;
    let index = fresh.findIndex((track) => track.song === now?.song);
    if (index < 0 && now) {
      index = fresh.findLastIndex((track) => track.played) + 1;
      fresh.splice(index, 0, now);
    } else if (index >= 0 && !fresh[index].played) {
      // The list was ordered before it was known that this song plays; what plays keeps its place.
      const [track] = fresh.splice(index, 1);
      index = Math.min(this.index, fresh.length);
      fresh.splice(index, 0, track);
    }
    Object.assign(this, { tracks: fresh, index });
  }

  /**
   * An order of the listener's own stays; songs that left the list go, new ones come at the end.
   * @param {Track[]} fresh
   */
  #refresh(fresh) {
    const now = this.current;
    const known = new Map(fresh.map((track) => [track.song, track]));
    const stays = new Set([...known.keys(), ...this.added]);
    const kept = this.tracks.filter((track) => stays.has(track.song) || track === now);
    const here = new Set(kept.map((track) => track.song));
    const added = this.#drawn(fresh.filter((track) => !here.has(track.song)));
    this.tracks = [...kept.map((track) => known.get(track.song) || track), ...added];
    this.index = this.tracks.findIndex((track) => track.song === now?.song);
  }

  /** @param {Track[]} tracks */
  #drawn(tracks) {
    return this.shuffled ? tracks.toSorted((a, b) => lot(this.seed, a.song) - lot(this.seed, b.song)) : tracks;
  }

  /**
   * Mixes all songs but the one that plays, which comes first; or brings the list's own order back.
   * @param {boolean} on
   */
  shuffle(on) {
    const now = this.current;
    this.shuffled = on;
    this.arranged = false;
    if (on) {
      this.seed = Math.floor(Math.random() * 2 ** 31);
      this.tracks = [...(now ? [now] : []), ...this.#drawn(this.tracks.filter((track) => track !== now))];
    } else {
      /** @param {Track} track */
      const place = (track) => this.listed.indexOf(track.song);
      this.tracks = this.tracks.toSorted((a, b) => place(a) - place(b));
    }
    this.index = now ? this.tracks.indexOf(now) : -1;
    this.save();
  }

  /**
   * Puts songs behind the one that plays, or at the end; one that is there already goes there, the one that plays stays.
   * @param {Track[]} tracks
   * @param {{ next?: boolean }} [options]
   * @returns {number} How many songs there are more or elsewhere.
   */
  add(tracks, { next = false } = {}) {
    const now = this.current;
    const fresh = tracks.filter((track) => track.song !== now?.song);
    const songs = new Set(fresh.map((track) => track.song));
    this.tracks = this.tracks.filter((track) => track === now || !songs.has(track.song));
    this.index = now ? this.tracks.indexOf(now) : -1;
    this.tracks.splice(next ? this.index + 1 : this.tracks.length, 0, ...fresh);
    this.added.push(...songs);
    this.removed = this.removed.filter((song) => !songs.has(song));
    this.listed.push(...[...songs].filter((song) => !this.listed.includes(song)));
    this.arranged = true;
    this.save();
    return fresh.length;
  }

  /**
   * Takes a song out; the one that plays stays.
   * @param {number} index
   */
  remove(index) {
    if (index === this.index || !this.tracks[index]) return;
    this.removed.push(this.tracks[index].song);
    this.tracks.splice(index, 1);
    if (index < this.index) this.index -= 1;
    this.save();
  }

  /**
   * Puts a song at another place.
   * @param {number} from
   * @param {number} to
   */
  move(from, to) {
    if (from === to || !this.tracks[from] || !this.tracks[to]) return;
    const now = this.current;
    this.tracks.splice(to, 0, ...this.tracks.splice(from, 1));
    this.index = now ? this.tracks.indexOf(now) : -1;
    this.arranged = true;
    this.save();
  }

  /** Returns all that must be known to go on with it elsewhere. */
  get content() {
    const { tracks, index, playlist, pageUrl, kind, listed, removed, added } = this;
    const { shuffled, seed, arranged, listener } = this;
    return { tracks, index, playlist, pageUrl, kind, listed, removed, added, shuffled, seed, arranged, listener };
  }

  save() {
    store(sessionStorage, KEY, this.content);
    this.savePosition(this.timeS, this.wasPlaying);
  }

  /**
   * Keeps how far the song is; apart from the songs, because it changes every other second.
   * @param {number} timeS
   * @param {boolean} wasPlaying
   */
  savePosition(timeS, wasPlaying) {
    Object.assign(this, { timeS, wasPlaying });
    store(sessionStorage, POSITION, { timeS, wasPlaying, savedAt: Date.now() });
  }

  restore() {
    Object.assign(this, stored(sessionStorage, KEY), stored(sessionStorage, POSITION));
    if (!Array.isArray(this.tracks) || !this.tracks[this.index]) Object.assign(this, { tracks: [], index: -1 });
    if (!this.adopt()) this.clear();
  }
}
