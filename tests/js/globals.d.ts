// What the scripts find in the browser besides the web's own: htmx, Django's catalogue, events, and shapes of data.

declare const htmx: {
  process(element: Element): void;
  swap(target: Element, content: string, style: { swapStyle: string }): void;
  ajax(
    verb: string,
    url: string,
    context: { source?: Element; target: Element; swap: string; values?: Record<string, unknown> },
  ): Promise<void>;
};

declare var django:
  | undefined
  | {
      gettext(message: string): string;
      ngettext(singular: string, plural: string, number: number): string;
      pgettext(context: string, message: string): string;
    };

interface HtmxDetail {
  elt: HTMLElement;
  target: HTMLElement;
  xhr: XMLHttpRequest;
  headers: Record<string, string>;
  parameters: Record<string, string>;
  requestConfig?: { elt: Element; verb: string; boosted: boolean; triggeringEvent?: Event };
  pathInfo: { responsePath?: string; finalRequestPath: string };
  serverResponse: string;
  successful: boolean;
  boosted: boolean;
  shouldSwap: boolean;
  isError: boolean;
  selectOverride: string;
  swapOverride: string;
}

type HtmxEvent = CustomEvent<HtmxDetail>;

interface GlobalEventHandlersEventMap {
  "htmx:load": HtmxEvent;
  "htmx:configRequest": HtmxEvent;
  "htmx:beforeRequest": HtmxEvent;
  "htmx:afterRequest": HtmxEvent;
  "htmx:beforeOnLoad": HtmxEvent;
  "htmx:beforeSwap": HtmxEvent;
  "htmx:afterSwap": HtmxEvent;
  "htmx:afterSettle": HtmxEvent;
  "htmx:historyRestore": HtmxEvent;
  "htmx:responseError": HtmxEvent;
  "htmx:sendError": HtmxEvent;
  "moodplane:say": CustomEvent<string>;
  "felt:said": CustomEvent<FeltVerdict>;
  "player:reranked": CustomEvent<Reranked>;
  "player:time": CustomEvent<PlayTime>;
  "player:track": CustomEvent<Track>;
  "offline:kept": CustomEvent;
}

// In the thread of the sound card.
declare class AudioWorkletProcessor {
  port: MessagePort;
}
declare function registerProcessor(name: string, processor: typeof AudioWorkletProcessor): void;
declare const sampleRate: number;
declare const currentFrame: number;

interface Navigator {
  connection?: { effectiveType?: string; saveData?: boolean };
}

// What the modules share.

type Place = [valence: number, arousal: number];

type Player = import("../../static/js/player/core.js").Player;
type Queue = import("../../static/js/player/queue.js").Queue;
type Sound = import("../../static/js/player/sound.js").Sound;
type Waveform = import("../../static/js/player/waveform.js").Waveform;
type PlayerView = import("../../static/js/player/view.js").View;
type PlaneView = import("../../static/js/pad/view.js").PlaneView;
type Points = import("../../static/js/pad/points.js").Points;
type UploadQueue = import("../../static/js/upload/queue.js").UploadQueue;

type Repeat = "off" | "all" | "one";
type Levelling = "song" | "album" | "off";
type Mixer = import("../../static/js/player/mixer.js").Mixer;
type Quality = "auto" | "original" | "128" | "96";

interface Settings {
  level: number;
  muted: boolean;
  repeat: Repeat;
  fadeS: number;
  quality: Quality;
  levelling: Levelling;
  /** Whether lists go on when they have ended; journeys, which have arrived then, by a choice of their own. */
  endless: boolean;
  endlessJourneys: boolean;
  letters: boolean;
  change(values: Partial<Omit<Settings, "change">>): void;
}

/** A song as a page describes it, with the addresses below its own. */
interface Track {
  song: string;
  title: string;
  artist: string;
  artistHref: string;
  href: string;
  reason: string;
  played: boolean;
  album: string;
  type: string;
  bitRate: number;
  /** Whether its file turned out to be one that this browser does not play. */
  convert?: boolean;
  /** Whether the server added it when the list had ended. */
  more?: boolean;
  src: string;
  cover: string;
  playedUrl: string;
  skippedUrl: string;
  completedUrl: string;
  feltUrl: string;
  waveformUrl: string;
}

/** A song that this device keeps: as its list described it, where its bytes are from, and which they are. */
interface KeptSong {
  track: Track;
  src: string;
  bytes: number;
  etag?: string;
}

// The part of a service worker's world that ours uses; TypeScript has it only in a library that excludes pages.

interface WorkerEvent extends Event {
  waitUntil(promise: Promise<unknown>): void;
}

interface WorkerFetchEvent extends WorkerEvent {
  request: Request;
  preloadResponse: Promise<Response | undefined>;
  respondWith(answer: Promise<Response>): void;
}

interface WorkerScope {
  location: Location;
  registration: ServiceWorkerRegistration;
  clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", react: (event: WorkerEvent) => void): void;
  addEventListener(type: "message", react: (event: WorkerEvent & { data: unknown }) => void): void;
  addEventListener(type: "fetch", react: (event: WorkerFetchEvent) => void): void;
}

interface PlayTime {
  song?: string;
  timeS: number;
  durationS: number;
}

interface Section {
  start_s: number;
  end_s: number;
  confidence: number;
  label?: string;
  quadrant?: string;
}

interface WaveformData {
  peaks: number[];
  sections: Section[];
  duration_s: number;
  loudness?: Loudness;
  has_lyrics?: boolean;
}

/** In LUFS and dB of full scale; null where nobody knows. */
interface Loudness {
  lufs: number | null;
  peak_db: number | null;
  album_lufs: number | null;
  album_peak_db: number | null;
}

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A re-ranking: the sentence on it, and the songs that are new or at another place. */
interface Reranked {
  playlist: string;
  sentence: string;
  moved?: number[];
}

interface FeltValues {
  felt_valence: number | null;
  felt_arousal: number | null;
  liked: boolean | null;
  familiar: boolean | null;
  felt_nothing: boolean;
}

/** What became of an answer about a song: `status` is 0 while it waits for the server, `said` what that answered. */
interface FeltVerdict {
  song: string;
  title: string;
  playlist: string;
  status: number;
  isStored: boolean;
  isLast: boolean;
  said: {
    sentence?: string;
    sign_in?: boolean;
    values?: FeltValues;
    undo?: { url: string; token: string } | null;
    changed?: boolean;
    moved?: number[];
    reranked?: string;
  };
}

interface PendingAnswer {
  id: string;
  song: string;
  url: string;
  title: string;
  values: [string, string][];
  listener?: string;
  isLate?: boolean;
}

type UploadState = "waiting" | "sending" | "checking" | "sent" | "failed";

interface UploadItem {
  file: File;
  state: UploadState;
  bytes: number;
  losses: number;
  sentence: string;
  session: string;
  statusUrl?: string;
  stop?: AbortController;
  cancelled?: boolean;
}

/** What became of a file that was sent. */
interface Verdict {
  kind: "done" | "aborted" | "lost" | "later" | "failed" | "refused";
  sentence?: string;
  afterS?: number;
  statusUrl?: string;
}

interface UploadPlaces {
  uploadUrl: string;
  resumableUrl: string;
}

interface SendOptions {
  signal?: AbortSignal;
  onBytes(bytes: number): void;
  onSession(url: string): void;
}

interface UploadTotals {
  files: number;
  sent: number;
  bytes: number;
  sentBytes: number;
  failed: number;
}

/** Some files that were chosen or dropped. */
interface UploadPart {
  files: File[];
  fromFolder: boolean;
  unread: number;
  hidden: number;
}

/** What was sent and what was left out of chosen or dropped folders. */
interface LeftOut {
  taken: number;
  kinds: Map<string, number>;
  others: number;
  hidden: number;
  unread: number;
}
