/* JSON in the browser's storage, where the browser allows it. */

/**
 * Writes a value; without storage everything works, but is forgotten.
 * @param {Storage} storage
 * @param {string} key
 * @param {unknown} value
 */
export function store(storage, key, value) {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full, or switched off.
  }
}

/**
 * Reads an object; an empty one where there is none, or none that can be read.
 * @param {Storage} storage
 * @param {string} key
 */
export function stored(storage, key) {
  try {
    return JSON.parse(storage.getItem(key) || "{}");
  } catch {
    return {};
  }
}
