/* Reports plays, skips and completed songs to the server; no report ever stops the music. */

import { post } from "../shared/requests.js";

/**
 * @param {Track} track
 * @param {string} playlist
 */
export function reportPlayed(track, playlist) {
  if (track.playedUrl) post(track.playedUrl, { playlist });
}

/**
 * @param {Track} track
 * @param {string} playlist
 * @param {number} listenedS
 */
export function reportCompleted(track, playlist, listenedS) {
  if (track.completedUrl) post(track.completedUrl, { listened_s: listenedS.toFixed(1), playlist });
}

/**
 * Leaving a song before its end says something about it; how much, the server knows.
 * @param {Track} track
 * @param {string} playlist
 * @param {number} listenedS
 */
export async function reportSkipped(track, playlist, listenedS) {
  if (!track.skippedUrl) return;
  const answer = await post(track.skippedUrl, { listened_s: listenedS.toFixed(1), playlist });
  if (!answer?.ok || !playlist) return;
  const { changed, sentence, moved } = await answer.json();
  if (changed) announceRerank({ playlist, sentence, moved });
}

/**
 * Informs the page and the queue that a playlist has a new order.
 * @param {Reranked} detail
 */
export function announceRerank(detail) {
  document.dispatchEvent(new CustomEvent("player:reranked", { detail }));
}
