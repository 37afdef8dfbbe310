/* In which encoding a song is fetched: as it is, or converted by the server because the browser cannot play it or the
 * line is slow.
 */

const OPUS = 'audio/ogg; codecs="opus"';
// With little to gain, the song stays as it is.
const WORTH_IT = 1.25;

/** @type {Map<string, boolean>} */
const playable = new Map();

/**
 * Whether this browser says that it plays a media type.
 * @param {string} type
 */
export function canPlay(type) {
  if (!playable.has(type)) playable.set(type, document.createElement("audio").canPlayType(type) !== "");
  return playable.get(type) ?? false;
}

/**
 * Returns the most kbit/s that a choice allows on the present line, 0 for any number.
 * @param {Quality} quality
 */
function mostKbps(quality) {
  if (quality !== "auto") return quality === "original" ? 0 : Number(quality);
  const { saveData = false, effectiveType = "4g" } = navigator.connection ?? {};
  if (saveData || effectiveType.endsWith("2g")) return 96;
  return effectiveType === "3g" ? 128 : 0;
}

/**
 * Returns the address that a song is played from.
 * @param {Track} track
 * @param {Quality} quality
 */
export function sourceOf(track, quality) {
  const isPlayable = !track.convert && (!track.type || canPlay(track.type));
  const most = mostKbps(quality);
  const isHeavy = most > 0 && (!track.bitRate || track.bitRate > 1000 * most * WORTH_IT);
  if (most && canPlay(OPUS) && (isHeavy || !isPlayable)) return `${track.src}?as=opus-${most}`;
  return isPlayable ? track.src : `${track.src}?as=flac`;
}
