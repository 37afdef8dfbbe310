/* The player: what plays, what comes next, and what the listener asks for. It shows nothing; see view.js.
 *
 * It reports by events: "track" (another song, or its description changed), "state" (plays or not, modes),
 * "time", "queue" (the songs or their order), "volume", and "say" with a sentence.
 */

import { gettext } from "../shared/i18n.js";
import { factsOf, knownFacts } from "./facts.js";
import { sourceOf } from "./formats.js";
import { factorOf, gainDb, isInAlbum } from "./loudness.js";
import { reportCompleted, reportPlayed, reportSkipped } from "./reports.js";

const PREPARE_BEFORE_END_S = 20;
const PREPARE_AFTER_S = 8;
const SAVE_EVERY_S = 2;
// Late, so that what the listener says of the last song counts, and in time for the next one to be fetched.
const MORE_BEFORE_S = 40;
const MORE_AGAIN_MS = 5000;
// An element needs up to a tenth of a second to begin, and this thread may be busy meanwhile.
const JOIN_BEFORE_S = 0.5;
// Less often than this an element never says how far it is.
const JOIN_PLANNED_S = 1.2;
// Longer than the answer takes, and shorter than a listener waits.
const LOUDNESS_WITHIN_MS = 400;
/** @type {Repeat[]} */
const REPEATS = ["off", "all", "one"];

export class Player extends EventTarget {
  /** @type {Promise<Track[] | null> | null} */
  #asking = null;
  #askedInVainAt = 0;

  /**
   * @param {Queue} queue
   * @param {Sound} sound
   * @param {Settings} settings
   */
  constructor(queue, sound, settings) {
    super();
    this.queue = queue;
    this.sound = sound;
    this.settings = settings;
    this.wanted = false;
    this.recorded = false;
    this.joinTimer = 0;
    /** @type {() => Promise<Track[] | null>} Returns what the queue goes on with, null without an answer; see endless.js. */
    this.more = async () => [];
    this.exhausted = false;
    this.stopAfterSong = false;
    sound.set(settings.level, settings.muted);
    sound.addEventListener("playing", () => this.#began());
    sound.addEventListener("timeupdate", () => this.#moved());
    sound.addEventListener("ended", () => this.#ended());
    for (const type of ["durationchange", "seeked"]) sound.addEventListener(type, () => this.tell("time"));
    for (const type of ["play", "pause", "ended", "emptied"]) sound.addEventListener(type, () => this.tell("state"));
    this.addEventListener("settings", () => {
      if (queue.current) sound.setGain(this.#gain(queue.index));
    });
    sound.addEventListener("pause", () => queue.savePosition(sound.timeS, this.wanted));
  }

  /**
   * @param {string} type
   * @param {unknown} [detail]
   */
  tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {string} sentence */
  say(sentence) {
    this.tell("say", sentence);
  }

  get hasNext() {
    return this.queue.nextIndex(this.settings.repeat) >= 0 || this.goesOn;
  }

  /** The setting that says whether this queue goes on when it has ended. */
  get endlessSetting() {
    return /** @type {"endless" | "endlessJourneys"} */ (this.queue.kind === "journey" ? "endlessJourneys" : "endless");
  }

  /** Whether other songs follow the last one. */
  get goesOn() {
    const { queue, settings } = this;
    if (!queue.current || settings.repeat !== "off" || queue.kind === "comparison" || this.exhausted) return false;
    return settings[this.endlessSetting];
  }

  /** Adds songs to the queue where it ends here and goes on; returns the place of the next song, -1 for none. */
  async #nextPlace() {
    const { queue, settings } = this;
    const isSoon = Date.now() - this.#askedInVainAt < MORE_AGAIN_MS;
    if (queue.nextIndex(settings.repeat) < 0 && this.goesOn && !isSoon) {
      const asking = this.#asking ?? this.more();
      this.#asking = asking;
      const tracks = await asking;
      if (asking === this.#asking) {
        this.#asking = null;
        // A line that is down for a moment does not end the music for good.
        this.#askedInVainAt = tracks ? 0 : Date.now();
        this.exhausted = tracks?.length === 0;
        if (tracks?.length) queue.extend(tracks);
        for (const type of ["queue", "state"]) this.tell(type);
      }
    }
    return queue.nextIndex(settings.repeat);
  }

  /**
   * Returns the address that a song is played from.
   * @param {Track} track
   */
  source(track) {
    return sourceOf(track, this.settings.quality);
  }

  /**
   * Returns by how much a song of the queue is raised or lowered, as far as is known.
   * @param {number} index
   */
  #gain(index) {
    const { tracks } = this.queue;
    const loudness = knownFacts(tracks[index])?.loudness;
    return factorOf(gainDb(loudness, this.settings.levelling, isInAlbum(this.queue, index)));
  }

  /** Asks how loud the song that plays is, where that is not known; a song does not begin at another level. */
  async #level() {
    const { current } = this.queue;
    if (!current || knownFacts(current)) return;
    const late = new Promise((resolve) => setTimeout(resolve, LOUDNESS_WITHIN_MS));
    const answer = factsOf(current).then(() => {
      if (current === this.queue.current) this.sound.setGain(this.#gain(this.queue.index));
    });
    await Promise.race([answer, late]);
  }

  async play() {
    if (!this.queue.current) return;
    this.wanted = true;
    // After a failure the element holds nothing that could play.
    if (this.sound.audio.error || !this.sound.audio.getAttribute("src")) this.open(this.queue.timeS);
    await this.#level();
    // Meanwhile the listener may have thought better of it.
    if (!this.wanted) return;
    try {
      await this.sound.play();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      this.wanted = false;
      this.say(gettext("Press play to continue: the browser requires it."));
    }
  }

  pause() {
    this.wanted = false;
    this.sound.pause();
  }

  toggle() {
    if (this.sound.paused) this.play();
    else this.pause();
  }

  /** Opens the current song of the queue without starting it. */
  open(timeS = 0) {
    this.recorded = false;
    this.say("");
    const { current, index } = this.queue;
    if (current) this.sound.open(this.source(current), timeS, this.#gain(index));
    this.tell("track");
    this.tell("state");
  }

  /**
   * Plays a list of the page from one of its songs on.
   * @param {HTMLElement} list
   * @param {number} index
   */
  start(list, index) {
    this.#noteSkip();
    this.queue.fill(list, index);
    this.exhausted = false;
    this.#asking = null;
    this.tell("start");
    this.sound.unlock();
    this.open();
    this.play();
    this.tell("queue");
  }

  /**
   * Puts songs into the queue, behind the one that plays or at the end; with an empty queue they begin.
   * @param {Track[]} tracks
   * @param {{ next?: boolean }} [options]
   */
  enqueue(tracks, options) {
    const isEmpty = !this.queue.current;
    if (isEmpty) this.queue.clear();
    this.exhausted = false;
    const n = this.queue.add(tracks, options);
    this.tell("queue");
    if (isEmpty && n) {
      this.sound.unlock();
      this.jump(0);
    }
    return n;
  }

  /**
   * Goes to a song of the queue.
   * @param {number} index
   * @param {{ playing?: boolean }} [options]
   */
  jump(index, { playing = true } = {}) {
    if (!this.queue.tracks[index]) return;
    this.queue.index = index;
    this.queue.timeS = 0;
    this.queue.save();
    this.open();
    if (playing) this.play();
    this.tell("queue");
  }

  /**
   * The listener asks for a song of the queue: leaving the one that plays is noted.
   * @param {number} index
   */
  choose(index) {
    if (index !== this.queue.index) this.#noteSkip();
    this.jump(index);
  }

  async next() {
    const { current } = this.queue;
    const index = await this.#nextPlace();
    // Meanwhile the listener may have gone elsewhere.
    if (index >= 0 && current === this.queue.current) this.choose(index);
  }

  previous() {
    // As on any player: back to the beginning first, to the previous song only from there.
    const index = this.queue.previousIndex(this.settings.repeat);
    if (this.sound.timeS > 4 || index < 0) this.seek(0);
    else this.jump(index);
  }

  /** Empties the queue: it belonged to somebody who signed out. */
  clear() {
    this.pause();
    this.sound.close();
    this.recorded = false;
    this.queue.clear();
    this.say("");
    for (const type of ["track", "state", "queue"]) this.tell(type);
  }

  /** @param {number} timeS */
  seek(timeS) {
    this.sound.seek(timeS);
    this.queue.savePosition(this.sound.timeS, this.wanted);
    this.tell("time");
  }

  /** @param {number} seconds */
  seekBy(seconds) {
    this.seek(this.sound.timeS + seconds);
  }

  stop() {
    this.pause();
    this.seek(0);
  }

  /**
   * @param {number} level
   * @param {boolean} [muted]
   */
  setVolume(level, muted = false) {
    this.sound.set(level, muted);
    this.settings.change({ level: this.sound.level, muted });
    this.tell("volume");
  }

  mute() {
    this.setVolume(this.sound.level, !this.sound.muted);
  }

  shuffle() {
    this.queue.shuffle(!this.queue.shuffled);
    this.tell("queue");
    this.tell("state");
  }

  repeat() {
    const repeat = REPEATS[(REPEATS.indexOf(this.settings.repeat) + 1) % REPEATS.length];
    this.settings.change({ repeat });
    this.tell("state");
  }

  #noteSkip() {
    const { current, playlist } = this.queue;
    if (current && this.recorded && !this.sound.audio.ended) reportSkipped(current, playlist, this.sound.timeS);
  }

  #noteEnd(endS = this.sound.timeS) {
    const { current, playlist } = this.queue;
    if (current && this.recorded) reportCompleted(current, playlist, endS);
  }

  #began() {
    this.say("");
    if (this.recorded || !this.queue.current) return;
    this.recorded = true;
    reportPlayed(this.queue.current, this.queue.playlist);
  }

  #moved() {
    this.tell("time");
    const { timeS } = this.sound;
    if (Math.abs(timeS - this.queue.timeS) >= SAVE_EVERY_S) this.queue.savePosition(timeS, this.wanted);
    this.#lookAhead(timeS, this.sound.durationS - timeS);
  }

  /**
   * Gets the next song ready, and goes over to it where the listener wants one song to fade into the next.
   * @param {number} timeS
   * @param {number} leftS
   */
  #lookAhead(timeS, leftS) {
    if (this.stopAfterSong) return;
    const index = this.queue.nextIndex(this.settings.repeat);
    if (index < 0 && leftS < MORE_BEFORE_S) this.#nextPlace();
    if (index >= 0 && !knownFacts(this.queue.tracks[index])) factsOf(this.queue.tracks[index]);
    if (!this.sound.durationS || index < 0 || index === this.queue.index || this.settings.repeat === "one") return;
    const line = navigator.connection;
    const soon = line?.effectiveType === "4g" && timeS > PREPARE_AFTER_S;
    if (!line?.saveData && (soon || leftS < PREPARE_BEFORE_END_S))
      this.sound.prepare(this.source(this.queue.tracks[index]));
    const fadeS = Math.min(this.settings.fadeS, this.sound.durationS / 3);
    if (fadeS && leftS <= fadeS && leftS > 0 && !this.sound.fading && !this.sound.paused && this.sound.canFade) {
      this.#glide(index, leftS);
    }
    if (leftS > JOIN_PLANNED_S || fadeS || !this.sound.canJoin || this.sound.joining || this.joinTimer) return;
    this.joinTimer = setTimeout(() => this.#join(), Math.max(0, leftS - JOIN_BEFORE_S) * 1000);
  }

  /** Lets the next song follow without a gap, unless the listener has gone elsewhere. */
  async #join() {
    this.joinTimer = 0;
    const { queue, sound } = this;
    const index = queue.nextIndex(this.settings.repeat);
    const leftS = sound.durationS - sound.timeS;
    if (index < 0 || index === queue.index || this.settings.repeat === "one" || leftS > JOIN_PLANNED_S) return;
    if (this.stopAfterSong) return;
    const { song } = queue.tracks[index];
    const endS = sound.durationS;
    sound.prepare(this.source(queue.tracks[index]));
    const joined = () => this.#follow(song, endS);
    sound.addEventListener("joined", joined, { once: true });
    await sound.join(this.#gain(index));
    sound.removeEventListener("joined", joined);
  }

  /**
   * Goes on with a song that is heard already.
   * @param {string} song
   * @param {number} endS Of the one before.
   */
  #follow(song, endS) {
    this.#noteEnd(endS);
    const { queue } = this;
    // A queue that goes on can hold a song twice: the one ahead is meant.
    const ahead = queue.tracks.findIndex((track, at) => at > queue.index && track.song === song);
    const index = ahead < 0 ? queue.tracks.findIndex((track) => track.song === song) : ahead;
    // It was taken out in the last moment.
    if (index < 0) {
      this.jump(queue.nextIndex(this.settings.repeat));
      return;
    }
    queue.index = index;
    queue.timeS = 0;
    queue.save();
    this.recorded = false;
    this.#began();
    for (const type of ["track", "state", "queue"]) this.tell(type);
  }

  /**
   * @param {number} index
   * @param {number} seconds
   */
  #glide(index, seconds) {
    this.#noteEnd();
    this.queue.index = index;
    this.queue.timeS = 0;
    this.queue.save();
    this.recorded = false;
    const { current } = this.queue;
    if (!current) return;
    this.sound.crossfade(this.source(current), seconds, this.#gain(index)).catch(() => this.tell("state"));
    for (const type of ["track", "state", "queue"]) this.tell(type);
  }

  async #ended() {
    this.#noteEnd();
    const { repeat } = this.settings;
    if (this.stopAfterSong) {
      this.stopAfterSong = false;
      this.wanted = false;
      // Where it goes on, some other time.
      const next = this.queue.nextIndex(repeat);
      this.jump(next < 0 ? this.queue.index : next, { playing: false });
      this.tell("slept");
      return;
    }
    if (repeat === "one" || (repeat === "all" && this.queue.tracks.length === 1)) {
      this.recorded = false;
      this.seek(0);
      this.play();
      return;
    }
    const { current } = this.queue;
    const index = this.goesOn ? await this.#nextPlace() : this.queue.nextIndex(repeat);
    if (current !== this.queue.current) return;
    if (index >= 0) {
      this.jump(index);
    } else {
      this.wanted = false;
      this.queue.savePosition(0, false);
      this.say(gettext("That was the last song of the list."));
    }
  }
}
