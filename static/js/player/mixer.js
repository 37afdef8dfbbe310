/* Web Audio behind the audio elements: an element's volume can only lower a song, a gain can also raise it.
 *
 * Phones and tablets do without: in their browsers Web Audio falls silent when the screen is locked, and the music with
 * it. So do pages whose audio comes from another host, which Web Audio may not hear.
 */

const POINTS_FINELY = "(hover: hover) and (pointer: fine)";
const RAMP_S = 0.02;
const REST_AFTER_MS = 10_000;

export class Mixer {
  #rest = 0;

  /** @param {HTMLAudioElement[]} elements */
  constructor(elements) {
    this.context = new AudioContext({ latencyHint: "playback" });
    this.gains = new Map(
      elements.map((element) => {
        const gain = this.context.createGain();
        this.context.createMediaElementSource(element).connect(gain).connect(this.context.destination);
        return [element, gain.gain];
      }),
    );
  }

  /**
   * @param {HTMLAudioElement} element
   * @param {number} factor
   */
  set(element, factor) {
    const gain = this.gains.get(element);
    if (!gain) return;
    // What is silent anyway takes its gain at once.
    if (element.paused) gain.value = factor;
    else gain.setTargetAtTime(factor, this.context.currentTime, RAMP_S);
  }

  async wake() {
    clearTimeout(this.#rest);
    if (this.context.state !== "running") await this.context.resume();
  }

  /** Lets the sound card go after a while of silence. */
  rest() {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.context.suspend(), REST_AFTER_MS);
  }
}

/**
 * Returns what makes a mixer once the listener has clicked somewhere, or nothing where elements do better alone.
 * @param {HTMLAudioElement[]} elements
 */
export function mixerFor(elements) {
  const isElsewhere = elements.some((element) => element.hasAttribute("data-elsewhere"));
  if (!("AudioContext" in globalThis) || isElsewhere || !matchMedia(POINTS_FINELY).matches) return null;
  return () => (navigator.userActivation?.hasBeenActive ? new Mixer(elements) : null);
}
