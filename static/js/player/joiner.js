/* Lets one song follow another without a gap, in the thread of the sound card: a worklet with an input for each audio
 * element.
 *
 * The next song is started before the present one ends. What comes of it waits here, from its first sample on, and is
 * played after the last sample of the present one; from then on it stays late by as much as it was early. An element that
 * does not play gives exact zeros, by which the beginning of one and the end of the other are known to the sample.
 */

const HELD_S = 4;
// So many zeros in a row are no music.
const FEW = 8;
// How far the main thread may be wrong about the end: silence at the end of a song is cut by no more.
const EARLY_S = 0.06;
// A song that says that it plays, and is silent for so long, begins with silence.
const SILENT_S = 0.1;

/** What an element gives, late or at once. */
class Line {
  /** @param {number} rate */
  constructor(rate) {
    this.size = Math.round(HELD_S * rate);
    this.held = [new Float32Array(this.size), new Float32Array(this.size)];
    this.at = 0;
    this.count = 0;
    this.isLate = false;
  }

  clear() {
    this.at = 0;
    this.count = 0;
    this.isLate = false;
  }

  /**
   * @param {Float32Array[]} input
   * @param {number} from
   * @param {number} n
   */
  push(input, from, n) {
    for (let i = from; i < n; i += 1) {
      const place = (this.at + this.count) % this.size;
      for (const [channel, held] of this.held.entries()) held[place] = sample(input, channel, i);
      // Over the limit the oldest goes.
      if (this.count < this.size) this.count += 1;
      else this.at = (this.at + 1) % this.size;
    }
  }

  /**
   * Adds what is due to a block, from a place in it on.
   * @param {Float32Array[]} block
   * @param {number} from
   */
  pop(block, from) {
    const n = Math.min(block[0].length - from, this.count);
    for (let i = 0; i < n; i += 1) {
      for (const [channel, out] of block.entries()) out[from + i] += this.held[channel][(this.at + i) % this.size];
    }
    this.at = (this.at + n) % this.size;
    this.count -= n;
  }
}

/**
 * @param {Float32Array[]} input None where nothing is connected, one for mono.
 * @param {number} channel
 * @param {number} i
 */
function sample(input, channel, i) {
  return input.length ? input[Math.min(channel, input.length - 1)][i] : 0;
}

/**
 * @param {Float32Array[]} block
 * @param {number} i
 */
const isSilent = (block, i) => block.every((channel) => channel[i] === 0);

/** The two lines and what joins them; `Joiner` below connects it to Web Audio. */
export class Seam {
  /** @param {number} rate */
  constructor(rate) {
    this.rate = rate;
    this.lines = [new Line(rate), new Line(rate)];
    this.isHeld = false;
    /** @type {{ from: number, to: number, endsAfter: number, beginsBy: number, isBegun: boolean } | null} */
    this.join = null;
  }

  /**
   * @param {{ type: string, from?: number, to?: number, leftS?: number, line?: number, held?: boolean }} told
   * @param {number} frame
   */
  tell({ type, from = 0, to = 1, leftS = 0, line = 0, held = false }, frame) {
    if (type === "join") {
      this.lines[to].clear();
      const endsAfter = frame + (leftS - EARLY_S) * this.rate;
      this.join = { from, to, endsAfter, beginsBy: Infinity, isBegun: false };
    } else if (type === "plays" && this.join) {
      this.join.beginsBy = frame + SILENT_S * this.rate;
    } else if (type === "clear") {
      this.lines[line].clear();
      this.join = null;
    } else if (type === "hold") {
      this.isHeld = held;
    }
  }

  /**
   * Fills a block; returns by how many seconds the next song is late where it has just begun to be heard.
   * @param {Float32Array[][]} inputs
   * @param {Float32Array[]} block Of zeros.
   * @param {number} frame
   */
  fill(inputs, block, frame) {
    if (this.isHeld) return null;
    const n = block[0].length;
    for (const [index, line] of this.lines.entries()) {
      if (this.join?.to === index) this.#wait(inputs[index], n, frame);
      else if (line.isLate) {
        line.push(inputs[index], 0, n);
        line.pop(block, 0);
      } else {
        for (const [channel, out] of block.entries())
          for (let i = 0; i < n; i += 1) out[i] += sample(inputs[index], channel, i);
      }
    }
    return this.#seam(block, frame);
  }

  /**
   * Keeps what comes of the next song, from its first sample on.
   * @param {Float32Array[]} input
   * @param {number} n
   * @param {number} frame
   */
  #wait(input, n, frame) {
    const { join } = this;
    if (!join) return;
    let from = 0;
    if (!join.isBegun) {
      while (from < n && (!input.length || isSilent(input, from)) && frame + from < join.beginsBy) from += 1;
      join.isBegun = from < n;
    }
    this.lines[join.to].push(input, from, n);
  }

  /**
   * @param {Float32Array[]} block
   * @param {number} frame
   */
  #seam(block, frame) {
    const { join } = this;
    const n = block[0].length;
    if (!join || frame + n < join.endsAfter) return null;
    let end = n;
    while (end > 0 && isSilent(block, end - 1)) end -= 1;
    if (n - end < FEW) return null;
    const line = this.lines[join.to];
    const lateS = Math.max(0, line.count - (n - end)) / this.rate;
    line.pop(block, end);
    line.isLate = true;
    this.join = null;
    return lateS;
  }
}

if ("AudioWorkletProcessor" in globalThis) {
  class Joiner extends AudioWorkletProcessor {
    constructor() {
      super();
      this.seam = new Seam(sampleRate);
      this.port.onmessage = ({ data }) => this.seam.tell(data, currentFrame);
    }

    /**
     * @param {Float32Array[][]} inputs
     * @param {Float32Array[][]} outputs
     */
    process(inputs, [block]) {
      const lateS = this.seam.fill(inputs, block, currentFrame);
      if (lateS !== null) this.port.postMessage(lateS);
      return true;
    }
  }
  registerProcessor("joiner", Joiner);
}
