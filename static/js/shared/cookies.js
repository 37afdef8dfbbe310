/* Small cookies that the server reads. */

const YEAR_S = 60 * 60 * 24 * 365;

/**
 * Keeps a value for a year, or lets go of it when it is empty.
 * @param {string} name
 * @param {string} value
 */
export function keepCookie(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is missing in browsers that we support.
  document.cookie = `${name}=${value}; Path=/; Max-Age=${value ? YEAR_S : 0}; SameSite=Lax${secure}`;
}
