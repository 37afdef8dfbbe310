/* What the server knows of a song's sound, asked once for all who want to know: its waveform, moods and loudness. */

const MAX_CACHED = 24;

/** @type {Map<string, WaveformData>} */
const known = new Map();
/** @type {Map<string, Promise<WaveformData | null>>} */
const asked = new Map();

/**
 * Returns what is known of a song by now.
 * @param {Track} track
 */
export const knownFacts = (track) => known.get(track.song);

/**
 * Returns what is known of a song, null where there is no answer.
 * @param {Track} track
 */
export function factsOf(track) {
  const kept = known.get(track.song);
  // A song whose waveform is still to be made is asked for again when it is next played.
  if (kept?.peaks?.length && kept.sections.length) return Promise.resolve(kept);
  const underway = asked.get(track.song) ?? ask(track);
  asked.set(track.song, underway);
  return underway;
}

/** @param {Track} track */
async function ask({ song, waveformUrl }) {
  try {
    const answer = await fetch(waveformUrl, { headers: { Accept: "application/json" } });
    if (!answer.ok) return null;
    /** @type {WaveformData} */
    const facts = await answer.json();
    known.delete(song);
    known.set(song, facts);
    if (known.size > MAX_CACHED) known.delete(known.keys().next().value ?? "");
    return facts;
  } catch {
    return null;
  } finally {
    asked.delete(song);
  }
}

/** Forgets everything, for tests. */
export function forgetFacts() {
  known.clear();
  asked.clear();
}
