/* The token that every changing request carries.
 *
 * The cookie is renewed by signing in, also in another tab; what is written in a page may be older than that.
 */

export function csrfToken() {
  const cookie = document.cookie.split("; ").find((each) => each.startsWith("csrftoken="));
  return cookie ? cookie.slice("csrftoken=".length) : document.querySelector("#csrf input").value;
}
