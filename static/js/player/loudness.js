/* How much a song is raised or lowered, so that all sound equally loud and none is cut off at full scale. */

// As loud as ReplayGain plays: below it lies nearly all music, so that few songs have to be raised.
export const TARGET_LUFS = -18;
// What EBU R 128 allows: decoders overshoot a little.
const CEILING_DB = -1;
// Of a song that was not measured yet; most are louder than the target by more than this.
const UNKNOWN_DB = -6;

/**
 * Returns the gain for a song in dB.
 * @param {Loudness | undefined} loudness
 * @param {Levelling} levelling
 * @param {boolean} inAlbum Whether it plays among the songs of its album.
 */
export function gainDb(loudness, levelling, inAlbum) {
  if (levelling === "off") return 0;
  const isAlbum = levelling === "album" && inAlbum && loudness?.album_lufs != null;
  const lufs = isAlbum ? loudness?.album_lufs : loudness?.lufs;
  const peakDb = isAlbum ? loudness?.album_peak_db : loudness?.peak_db;
  if (lufs == null) return UNKNOWN_DB;
  // Without its peak, nobody knows how far a song may be raised.
  return Math.min(TARGET_LUFS - lufs, peakDb == null ? 0 : CEILING_DB - peakDb);
}

/**
 * Whether a song of a queue stands next to another one of its album, in the album's order or the listener's.
 * @param {Queue} queue
 * @param {number} index
 */
export function isInAlbum({ tracks, shuffled }, index) {
  const album = tracks[index]?.album;
  return Boolean(album) && !shuffled && [index - 1, index + 1].some((place) => tracks[place]?.album === album);
}

/** @param {number} db */
export const factorOf = (db) => 10 ** (db / 20);
