/* Names of dots: asked of the server for the dot under the pointer, a moment after it rests, and cached. */

const REST_MS = 120;
const MAX_CACHED = 500;

const known = new Map();

export class Names {
  /**
   * `songUrl` names the song 0 where the song's id belongs.
   * @param {string} songUrl
   */
  constructor(songUrl) {
    this.songUrl = songUrl;
    this.timer = 0;
    this.wanted = null;
  }

  /**
   * Calls back with the song's fragment, now if it is known; a later question silences this one.
   * @param {number} id
   * @param {(fragment: DocumentFragment) => void} tell
   */
  ask(id, tell) {
    this.forget();
    this.wanted = id;
    const cached = known.get(id);
    if (cached) tell(cached.cloneNode(true));
    else this.timer = setTimeout(() => this.fetch(id, tell), REST_MS);
  }

  /** Drops the question. */
  forget() {
    clearTimeout(this.timer);
    this.wanted = null;
  }

  /**
   * @param {number} id
   * @param {(fragment: DocumentFragment) => void} tell
   */
  async fetch(id, tell) {
    try {
      const answer = await fetch(this.songUrl.replace("/0/", `/${id}/`));
      // The song may be gone since the dots were made; then there is nothing to show.
      if (!answer.ok) return;
      const template = document.createElement("template");
      template.innerHTML = await answer.text();
      if (known.size >= MAX_CACHED) known.delete(known.keys().next().value);
      known.set(id, template.content);
    } catch {
      return;
    }
    if (this.wanted === id) tell(known.get(id).cloneNode(true));
  }
}

/**
 * Shows a song next to a place of the plane; on the right half it opens to the left.
 * @param {PlaneView} view
 * @param {HTMLElement} card
 * @param {DocumentFragment} fragment
 * @param {number} v
 * @param {number} a
 */
export function showCard(view, card, fragment, v, a) {
  card.replaceChildren(fragment);
  card.classList.toggle("plane-card--before", v > 0);
  card.classList.toggle("plane-card--above", a < 0);
  view.put(card, v, a);
  card.hidden = false;
}
