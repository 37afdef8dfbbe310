/* Lyrics beside songs: a file of the same name is sent after its song, whichever of the two is found first. */

import { csrfToken } from "../shared/requests.js";
import { stemOf } from "./files.js";

const MOST_BYTES = 256 * 1024;

export class LyricsBeside {
  /** @type {Map<string, File>} */
  #waiting = new Map();
  /** @type {Map<string, string>} */
  #songs = new Map();

  /**
   * A file that may be lyrics: of several for one song, those with times come first.
   * @param {File} file
   */
  found(file) {
    const stem = stemOf(file);
    if (file.size > MOST_BYTES || (this.#waiting.has(stem) && !file.name.toLowerCase().endsWith(".lrc"))) return;
    this.#waiting.set(stem, file);
    this.#send(stem);
  }

  /**
   * A song that the server has.
   * @param {File} file
   * @param {string} statusUrl
   */
  sent(file, statusUrl) {
    this.#songs.set(stemOf(file), statusUrl);
    this.#send(stemOf(file));
  }

  /** @param {string} stem */
  async #send(stem) {
    const [file, statusUrl] = [this.#waiting.get(stem), this.#songs.get(stem)];
    if (!file || !statusUrl) return;
    this.#waiting.delete(stem);
    const body = new FormData();
    body.append("file", file, file.name);
    try {
      await fetch(`${statusUrl}lyrics/`, { method: "POST", body, headers: { "X-CSRFToken": csrfToken() } });
    } catch {
      // The song is there without its words; nothing else depends on them.
    }
  }
}
