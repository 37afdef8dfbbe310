/* What was not sent of a folder, in words: nobody should look for it among the songs. */

import { gettext, interpolate, ngettext } from "../shared/i18n.js";

/**
 * @param {LeftOut} left
 * @returns {string} Empty where nothing was left out.
 */
export function leftOutWords({ taken, kinds, others, hidden, unread }) {
  const untaken = [...kinds].sort(([kind, n], [other, m]) => m - n || kind.localeCompare(other));
  const words = [];
  if (!taken && kinds.size + others + hidden) words.push(gettext("Nothing of this folder can be sent."));
  if (kinds.size) {
    const n = untaken.reduce((sum, [, count]) => sum + count, 0);
    const named = untaken.map(([kind, count]) => `${count} ${kind}`).join(", ");
    words.push(
      interpolate(
        ngettext(
          "%(n)s file of a format that is not taken: %(kinds)s.",
          "%(n)s files of formats that are not taken: %(kinds)s.",
          n,
        ),
        { n, kinds: named },
        true,
      ),
    );
  }
  if (others)
    words.push(
      interpolate(ngettext("%(n)s other file ignored.", "%(n)s other files ignored.", others), { n: others }, true),
    );
  if (hidden)
    words.push(
      interpolate(
        ngettext("%(n)s hidden folder ignored.", "%(n)s hidden folders ignored.", hidden),
        { n: hidden },
        true,
      ),
    );
  if (unread)
    words.push(
      interpolate(
        ngettext("%(n)s file could not be read.", "%(n)s files could not be read.", unread),
        { n: unread },
        true,
      ),
    );
  return words.join(" ");
}
