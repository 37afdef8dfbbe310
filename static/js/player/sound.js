/* The sound: two audio elements, one that plays and one that has the next song ready or fades out. */

const STEP_MS = 40;
// A song that goes on for longer than its end was expected has another length than its header says.
const LATE_MS = 1500;
const FORWARDED = [
  "playing",
  "play",
  "pause",
  "ended",
  "error",
  "emptied",
  "waiting",
  "timeupdate",
  "durationchange",
  "seeked",
];

export class Sound extends EventTarget {
  /** @type {{ total: number, done: number, at: number } | null} */
  #fade = null;
  #timer = 0;
  /** @type {Mixer | null} */
  #mixer = null;
  /** @type {Map<HTMLAudioElement, number>} */
  #gains = new Map();
  // By so much the song that plays is heard later than its element plays it, since it was started before its turn.
  #lateS = 0;
  #joining = 0;
  #dimmed = 1;

  /**
   * @param {HTMLAudioElement} first
   * @param {HTMLAudioElement} second
   * @param {(() => Mixer | null) | null} [makeMixer] What can raise a song above its own level, once it is allowed to.
   */
  constructor(first, second, makeMixer = null) {
    super();
    this.makeMixer = makeMixer;
    this.audio = first;
    this.other = second;
    this.level = 1;
    this.muted = false;
    for (const element of [first, second]) {
      for (const type of FORWARDED) element.addEventListener(type, () => this.#forward(element, type));
    }
    // Some systems leave the volume to their own buttons: there a fade would be two songs at once.
    second.volume = 0.5;
    this.canFade = second.volume === 0.5;
  }

  /**
   * @param {HTMLAudioElement} element
   * @param {string} type
   */
  #forward(element, type) {
    if (type === "ended" && element === this.audio && this.#holdEnd(element)) return;
    if (element === this.audio) this.dispatchEvent(new Event(type));
    else if (type === "ended" || type === "error") this.endFade();
  }

  get fading() {
    return this.#fade !== null;
  }

  /**
   * Whether the end of an element is not the end of what is heard.
   * @param {HTMLAudioElement} element
   */
  #holdEnd(element) {
    if (this.joining) return true;
    if (!this.#lateS) return false;
    const lateS = this.#lateS;
    this.#lateS = 0;
    setTimeout(() => {
      if (element === this.audio && element.ended) this.dispatchEvent(new Event("ended"));
    }, lateS * 1000);
    return true;
  }

  /** Whether one song can follow another without a gap. */
  get canJoin() {
    return Boolean(this.#mixer?.joins);
  }

  get joining() {
    return this.#joining !== 0;
  }

  get timeS() {
    return Math.max(0, this.audio.currentTime - this.#lateS);
  }

  get durationS() {
    return Number.isFinite(this.audio.duration) ? this.audio.duration : 0;
  }

  get paused() {
    return this.audio.paused;
  }

  /**
   * @param {number} level
   * @param {boolean} muted
   */
  set(level, muted) {
    this.level = Math.min(1, Math.max(0, level));
    this.muted = muted;
    this.#apply();
  }

  /**
   * Opens a song, at once if it was prepared.
   * @param {string} src
   * @param {number} [timeS]
   * @param {number} [gain]
   */
  open(src, timeS = 0, gain = 1) {
    this.endFade();
    this.#onTime();
    if (this.other.getAttribute("src") === src && !this.other.error) {
      this.#swap();
      this.#clear(this.other);
    } else {
      this.audio.src = src;
    }
    if (timeS || this.audio.currentTime) this.audio.currentTime = timeS;
    this.setGain(gain);
  }

  /**
   * Raises or lowers the song that plays, beside the listener's volume.
   * @param {number} gain
   */
  setGain(gain) {
    this.#gains.set(this.audio, gain);
    this.#apply();
  }

  /**
   * Lets all that is heard fade, below the listener's volume, which stays.
   * @param {number} share
   */
  dim(share) {
    if (share === this.#dimmed) return;
    this.#dimmed = share;
    this.#apply();
  }

  /** Lets go of both songs. */
  close() {
    this.endFade();
    this.#onTime();
    this.#clear(this.audio);
    this.#clear(this.other);
  }

  /**
   * Lets the other element load a song.
   * @param {string} src
   */
  prepare(src) {
    if (this.fading || this.joining || this.other.getAttribute("src") === src) return;
    this.other.src = src;
  }

  /**
   * Starts the song that was prepared, to be heard when the present one ends; "joined" says that it is heard.
   * @param {number} gain
   */
  async join(gain) {
    if (!this.#mixer?.joins || this.joining || this.fading || this.paused || this.other.readyState < 3) return;
    const leftS = this.durationS - this.timeS;
    this.#gains.set(this.other, gain);
    this.#joining = setTimeout(() => this.endJoin(), leftS * 1000 + LATE_MS);
    this.#apply();
    this.other.play().catch(() => this.endJoin());
    const lateS = await this.#mixer.join(this.audio, this.other, leftS);
    if (lateS === null) return;
    clearTimeout(this.#joining);
    this.#joining = 0;
    this.#lateS = lateS;
    this.#swap();
    this.#clear(this.other);
    this.#apply();
    this.dispatchEvent(new Event("joined"));
  }

  /** Calls off a join that does not come: the next song waits for its turn again, or has it. */
  endJoin() {
    if (!this.joining) return;
    this.#callBack();
    if (this.audio.ended) this.dispatchEvent(new Event("ended"));
  }

  /** Calls the next song back. */
  #callBack() {
    if (!this.joining) return;
    clearTimeout(this.#joining);
    this.#joining = 0;
    this.other.pause();
    this.other.currentTime = 0;
    this.#mixer?.clear(this.other);
  }

  /** What the element plays is heard at once again. */
  #onTime() {
    this.#callBack();
    this.#lateS = 0;
    for (const element of [this.audio, this.other]) this.#mixer?.clear(element);
    this.#mixer?.hold(false);
  }

  /**
   * Fetches a song into the other element and goes over to it within some seconds, at equal power.
   * @param {string} src
   * @param {number} seconds
   * @param {number} [gain]
   */
  async crossfade(src, seconds, gain = 1) {
    this.endFade();
    this.#callBack();
    this.prepare(src);
    this.#swap();
    this.#lateS = 0;
    this.#gains.set(this.audio, gain);
    this.#fade = { total: seconds * 1000, done: 0, at: performance.now() };
    this.#apply();
    this.#timer = setInterval(() => this.#step(), STEP_MS);
    await this.audio.play();
  }

  #step() {
    const now = performance.now();
    if (!this.#fade) return;
    // A pause, or a song that is not there yet, holds the fade.
    if (!this.audio.paused && this.audio.readyState > 2) this.#fade.done += now - this.#fade.at;
    this.#fade.at = now;
    if (this.#fade.done >= this.#fade.total) this.endFade();
    else this.#apply();
  }

  /** Ends a fade at once: the fading song falls silent. */
  endFade() {
    if (!this.fading) return;
    clearInterval(this.#timer);
    this.#fade = null;
    this.#clear(this.other);
    this.#apply();
  }

  async play() {
    this.#mixer ??= this.makeMixer?.() ?? null;
    this.#mixer?.wake();
    this.#mixer?.hold(false);
    this.#apply();
    if (this.joining) this.other.play().catch(() => this.endJoin());
    if (this.fading) this.other.play().catch(() => this.endFade());
    await this.audio.play();
  }

  pause() {
    this.audio.pause();
    if (this.fading || this.joining) this.other.pause();
    if (this.joining || this.#lateS) this.#mixer?.hold(true);
    this.#mixer?.rest();
  }

  /** @param {number} timeS */
  seek(timeS) {
    this.endFade();
    this.#onTime();
    const end = this.durationS || Infinity;
    this.audio.currentTime = Math.min(Math.max(0, timeS), end);
  }

  /** Lets the other element play later without a click of its own, where a browser asks for one for each. */
  unlock() {
    if (!this.other.getAttribute("src")) this.other.load();
  }

  #swap() {
    [this.audio, this.other] = [this.other, this.audio];
    this.audio.toggleAttribute("data-player-audio", true);
    this.audio.toggleAttribute("data-player-standby", false);
    this.other.toggleAttribute("data-player-audio", false);
    this.other.toggleAttribute("data-player-standby", true);
  }

  /** @param {HTMLAudioElement} element */
  #clear(element) {
    element.pause();
    element.removeAttribute("src");
    element.load();
  }

  #apply() {
    const share = this.#fade ? Math.min(1, this.#fade.done / this.#fade.total) * (Math.PI / 2) : Math.PI / 2;
    this.#setVolume(this.audio, Math.sin(share));
    this.#setVolume(this.other, this.joining ? 1 : Math.max(0, Math.cos(share)));
    // A muted element gives silence, in which no end is found.
    this.audio.muted = this.other.muted = this.muted && !this.#mixer;
    this.#mixer?.setVolume(this.muted ? 0 : this.level * this.#dimmed);
    this.dispatchEvent(new Event("volume"));
  }

  /**
   * @param {HTMLAudioElement} element
   * @param {number} share
   */
  #setVolume(element, share) {
    const gain = this.#gains.get(element) ?? 1;
    this.#mixer?.set(element, gain);
    element.volume = this.#mixer ? share : this.level * this.#dimmed * share * Math.min(1, gain);
  }
}
