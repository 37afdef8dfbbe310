/* Elements of the page by their kind. */

/**
 * Returns the first element that matches.
 * @template {typeof Element} [T=typeof HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {T} [type]
 * @returns {InstanceType<T>}
 * @throws {TypeError} None matches, or the first is of another kind.
 */
export function find(root, selector, type) {
  const found = root.querySelector(selector);
  if (!(found instanceof (type ?? HTMLElement))) throw new TypeError(`There is no ${selector}.`);
  return /** @type {InstanceType<T>} */ (found);
}

/**
 * Returns every element that matches.
 * @template {typeof Element} [T=typeof HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {T} [_type] Their kind, for the type checker.
 */
export function findAll(root, selector, _type) {
  return /** @type {InstanceType<T>[]} */ ([...root.querySelectorAll(selector)]);
}

/**
 * Lets a link lead elsewhere. htmx keeps the address that a link had when it first saw it, so it is shown a new link.
 * @param {HTMLAnchorElement} old
 * @param {string} href
 */
export function relink(old, href) {
  if (old.getAttribute("href") === href) return;
  const fresh = /** @type {HTMLAnchorElement} */ (old.cloneNode(true));
  fresh.href = href;
  const focused = document.activeElement === old;
  old.replaceWith(fresh);
  htmx.process(fresh);
  if (focused) fresh.focus({ preventScroll: true });
}

/**
 * Returns the element that an event happened on or in, if it matches.
 * @template {typeof Element} [T=typeof HTMLElement]
 * @param {Event} event
 * @param {string} selector
 * @param {T} [_type] Its kind, for the type checker.
 */
export function closest(event, selector, _type) {
  const { target } = event;
  return /** @type {InstanceType<T> | null} */ (target instanceof Element ? target.closest(selector) : null);
}
