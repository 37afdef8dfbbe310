/* Tells the server, in a cookie, which media types this browser cannot play: its lists leave such songs out. */

import { keepCookie } from "../shared/cookies.js";

// As `catalog.files.probe` has them.
const MEDIA_TYPES = [
  "audio/mpeg",
  "audio/flac",
  "audio/ogg",
  "audio/wav",
  "audio/aiff",
  "audio/mp4",
  'audio/mp4; codecs="alac"',
  "audio/aac",
];

/** @param {HTMLAudioElement} audio */
export function tellFormats(audio) {
  const lost = MEDIA_TYPES.filter((type) => !audio.canPlayType(type));
  keepCookie("cannot_play", lost.map(encodeURIComponent).join("|"));
}
