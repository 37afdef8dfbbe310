/* Web Audio behind the audio elements: an element's volume can only lower a song, a gain can also raise it; and a worklet
 * lets one song follow another without a gap, where the browser allows it (over HTTPS, and on this machine).
 *
 * Phones and tablets do without: in their browsers Web Audio falls silent when the screen is locked, and the music with
 * it. So do pages whose audio comes from another host, which Web Audio may not hear.
 */

const POINTS_FINELY = "(hover: hover) and (pointer: fine)";
const RAMP_S = 0.02;
const REST_AFTER_MS = 10_000;

export class Mixer {
  #rest = 0;
  /** @type {AudioWorkletNode | null} */
  #joiner = null;
  /** @type {(lateS: number | null) => void} */
  #heard = () => {};

  /**
   * @param {HTMLAudioElement[]} elements
   * @param {string} joinerUrl
   */
  constructor(elements, joinerUrl) {
    this.elements = elements;
    this.context = new AudioContext({ latencyHint: "playback" });
    // The listener's volume comes last, so that it holds for what waits to be heard, too.
    this.volume = this.context.createGain();
    this.volume.connect(this.context.destination);
    const nodes = elements.map((element) => {
      const gain = this.context.createGain();
      this.context.createMediaElementSource(element).connect(gain).connect(this.volume);
      return gain;
    });
    this.gains = new Map(elements.map((element, index) => [element, nodes[index].gain]));
    this.#placeJoiner(nodes, joinerUrl);
  }

  /**
   * @param {GainNode[]} nodes
   * @param {string} url
   */
  async #placeJoiner(nodes, url) {
    try {
      await this.context.audioWorklet?.addModule(url);
      const options = { numberOfInputs: nodes.length, outputChannelCount: [2], channelCount: 2 };
      const joiner = new AudioWorkletNode(this.context, "joiner", { ...options, channelCountMode: "explicit" });
      joiner.port.onmessage = ({ data }) => this.#heard(data);
      joiner.connect(this.volume);
      for (const [index, node] of nodes.entries()) {
        node.disconnect();
        node.connect(joiner, 0, index);
      }
      this.#joiner = joiner;
    } catch {
      // Songs follow each other with the gap that elements have.
    }
  }

  get joins() {
    return this.#joiner !== null;
  }

  /**
   * Lets one element follow another without a gap; the caller starts it.
   * @param {HTMLAudioElement} from
   * @param {HTMLAudioElement} to
   * @param {number} leftS Of what is heard of the first.
   * @returns {Promise<number | null>} By how much the second is late once it is heard; null where that was called off.
   */
  join(from, to, leftS) {
    const [place, next] = [this.elements.indexOf(from), this.elements.indexOf(to)];
    this.#joiner?.port.postMessage({ type: "join", from: place, to: next, leftS });
    to.addEventListener("playing", () => this.#joiner?.port.postMessage({ type: "plays" }), { once: true });
    return new Promise((resolve) => {
      this.#heard = resolve;
    });
  }

  /**
   * Forgets what waits of an element, and a join that it has a part in.
   * @param {HTMLAudioElement} element
   */
  clear(element) {
    this.#heard(null);
    this.#joiner?.port.postMessage({ type: "clear", line: this.elements.indexOf(element) });
  }

  /** @param {boolean} held */
  hold(held) {
    this.#joiner?.port.postMessage({ type: "hold", held });
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

  /** @param {number} level */
  setVolume(level) {
    const { gain } = this.volume;
    // The first song must not begin louder than it goes on.
    if (this.context.currentTime === 0) gain.value = level;
    else gain.setTargetAtTime(level, this.context.currentTime, RAMP_S);
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
  const { joiner = "" } = elements[0].dataset;
  return () => (navigator.userActivation?.hasBeenActive ? new Mixer(elements, joiner) : null);
}
