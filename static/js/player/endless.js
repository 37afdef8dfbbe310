/* What follows when a list has ended: the server chooses songs around its mood, a few at a time. */

import { find } from "../shared/dom.js";
import { post } from "../shared/requests.js";
import { tracksOf } from "./queue.js";

// No song comes again among so many; as `recommender.services.endless` has it.
const HEARD = 50;

/** @param {Player} player */
export function attachEndless(player) {
  const panel = find(document, "#player-queue");
  const box = find(panel, "[data-queue-endless]", HTMLInputElement);
  const { queue, settings } = player;

  player.more = async () => {
    const own = queue.tracks.filter((track) => !track.more);
    const answer = await post(panel.dataset.moreUrl ?? "", {
      playlist: queue.playlist,
      around: own.at(-1)?.song ?? queue.current?.song ?? "",
      heard: queue.tracks
        .slice(-HEARD)
        .map((track) => track.song)
        .join(),
    });
    if (!answer || answer.status === 429 || answer.status >= 500) return null;
    const html = answer.ok ? await answer.text().catch(() => "") : "";
    return tracksOf(new DOMParser().parseFromString(html, "text/html").body);
  };

  const show = () => {
    box.checked = settings[player.endlessSetting];
    box.disabled = queue.kind === "comparison";
    find(panel, "[data-queue-then]").hidden = !player.goesOn || queue.tracks.some((track) => track.more);
  };
  box.addEventListener("change", () => {
    settings.change({ [player.endlessSetting]: box.checked });
    for (const type of ["queue", "state"]) player.tell(type);
  });
  for (const type of ["queue", "state", "track"]) player.addEventListener(type, show);
}
