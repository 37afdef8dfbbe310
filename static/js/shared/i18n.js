/* Words for people: messages in the page's language.
 *
 * For a language other than English, base.html loads the catalogue (a script that sets `window.django`) before the
 * modules. English needs none: the messages in the code are the words. Messages are plain string literals, because
 * `makemessages` reads them from the source: `interpolate(gettext("Song %(n)s"), { n }, true)`.
 */

const catalogue = globalThis.django;

/**
 * Returns the message in the page's language.
 * @param {string} message
 */
export function gettext(message) {
  return catalogue ? catalogue.gettext(message) : message;
}

/**
 * Returns the form of the message that goes with the number.
 * @param {string} singular
 * @param {string} plural
 * @param {number} number
 */
export function ngettext(singular, plural, number) {
  if (catalogue) return catalogue.ngettext(singular, plural, number);
  return number === 1 ? singular : plural;
}

/**
 * Returns the message in the sense that the context names.
 * @param {string} context
 * @param {string} message
 */
export function pgettext(context, message) {
  return catalogue ? catalogue.pgettext(context, message) : message;
}

/**
 * Fills a message: `%s` from an array or, when `named`, `%(name)s` from an object; `%%` is one percent sign.
 * @param {string} message
 * @param {any} values
 * @param {boolean} [named]
 */
export function interpolate(message, values, named = false) {
  const rest = [...(named ? [] : values)];
  return message.replace(/%(?:\((\w+)\))?s|%%/g, (place, name) => {
    if (place === "%%") return "%";
    return String(named ? values[name] : rest.shift());
  });
}

/** Returns the language of the page, for Intl. */
export function language() {
  return document.documentElement.lang || "en";
}
