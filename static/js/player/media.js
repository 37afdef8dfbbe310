/* Media keys and the system's own player: what plays, how far it is, and what can be asked of it. */

const SEEK_S = 10;

/** @param {Player} player */
export function attachMedia(player) {
  if (!("mediaSession" in navigator)) return;
  const session = navigator.mediaSession;
  const { sound, queue } = player;

  player.addEventListener("track", () => {
    session.metadata = null;
    // How far the last song was is not how far this one is.
    session.setPositionState();
    if (!queue.current) return;
    const { title, artist, cover } = queue.current;
    session.metadata = new MediaMetadata({ title, artist, artwork: [{ src: new URL(cover, location.href).href }] });
  });
  player.addEventListener("state", () => {
    if (!queue.current) session.playbackState = "none";
    else session.playbackState = sound.paused ? "paused" : "playing";
  });
  // Sparingly: systems count on by themselves from the last reported position.
  for (const type of ["durationchange", "seeked", "playing", "pause"]) {
    sound.addEventListener(type, () => {
      if (!sound.durationS) return;
      session.setPositionState({
        duration: sound.durationS,
        position: Math.min(sound.timeS, sound.durationS),
        playbackRate: 1,
      });
    });
  }
  /** @type {Partial<Record<MediaSessionAction, MediaSessionActionHandler>>} */
  const handlers = {
    play: () => player.play(),
    pause: () => player.pause(),
    stop: () => player.stop(),
    previoustrack: () => player.previous(),
    nexttrack: () => player.next(),
    seekbackward: (details) => player.seekBy(-(details.seekOffset || SEEK_S)),
    seekforward: (details) => player.seekBy(details.seekOffset || SEEK_S),
    seekto: (details) => player.seek(details.seekTime ?? 0),
  };
  for (const [name, handler] of Object.entries(handlers)) {
    try {
      session.setActionHandler(/** @type {MediaSessionAction} */ (name), handler);
    } catch {
      // An action that this browser does not know.
    }
  }
}
