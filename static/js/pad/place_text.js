/* Places on the plane in words, for sliders, handles and screen readers. */

import { gettext, interpolate, language, ngettext } from "../shared/i18n.js";

/**
 * Returns a coordinate with its sign, such as "+0.40"; zero has none.
 * @param {number} value
 */
export function signed(value) {
  const digits = Math.abs(value) < 0.005 ? 1 : 2;
  const size = Math.abs(value).toLocaleString(language(), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  if (digits === 1) return size;
  return `${value > 0 ? "+" : "−"}${size}`;
}

/**
 * Returns how pleasant a valence is.
 * @param {number} value
 */
export function valenceWord(value) {
  return wordOf(value, [
    gettext("very unpleasant"),
    gettext("unpleasant"),
    gettext("slightly unpleasant"),
    gettext("neutral"),
    gettext("slightly pleasant"),
    gettext("pleasant"),
    gettext("very pleasant"),
  ]);
}

/**
 * Returns how energetic an arousal is.
 * @param {number} value
 */
export function arousalWord(value) {
  return wordOf(value, [
    gettext("very calm"),
    gettext("calm"),
    gettext("slightly calm"),
    gettext("neutral"),
    gettext("slightly energetic"),
    gettext("energetic"),
    gettext("very energetic"),
  ]);
}

/**
 * @param {number} value
 * @param {string[]} words
 */
function wordOf(value, words) {
  const size = Math.abs(value);
  const step = size < 0.1 ? 0 : size < 0.35 ? 1 : size < 0.75 ? 2 : 3;
  return words[3 + Math.sign(value) * step];
}

/**
 * Returns what a slider of valence says, such as "valence +0.40, pleasant".
 * @param {number} value
 */
export function valenceText(value) {
  return interpolate(gettext("valence %(value)s, %(word)s"), { value: signed(value), word: valenceWord(value) }, true);
}

/**
 * Returns what a slider of arousal says.
 * @param {number} value
 */
export function arousalText(value) {
  return interpolate(gettext("arousal %(value)s, %(word)s"), { value: signed(value), word: arousalWord(value) }, true);
}

/**
 * Returns a place in two words, such as "pleasant, slightly calm".
 * @param {number} v
 * @param {number} a
 */
export function placeWords(v, a) {
  return interpolate(gettext("%(valence)s, %(arousal)s"), { valence: valenceWord(v), arousal: arousalWord(a) }, true);
}

/**
 * Returns how many songs are close; of a density the number is rounded, and says so.
 * @param {number} n
 * @param {boolean} rounded
 */
export function countWords(n, rounded) {
  if (!n) return gettext("No songs near here");
  if (!rounded)
    return interpolate(
      ngettext("%(n)s song near here", "%(n)s songs near here", n),
      { n: n.toLocaleString(language()) },
      true,
    );
  const about = Number(n.toPrecision(2)).toLocaleString(language());
  return interpolate(ngettext("About %(n)s song near here", "About %(n)s songs near here", n), { n: about }, true);
}
