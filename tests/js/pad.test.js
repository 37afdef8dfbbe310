import assert from "node:assert/strict";
import { test } from "node:test";
import { answerFetch } from "./browser.js";

const { clamp, percent, toStep, PlaneView } = await import("../../static/js/pad/view.js");
const { Points, fetchPoints } = await import("../../static/js/pad/points.js");
const { paintDots } = await import("../../static/js/pad/dots.js");
const words = await import("../../static/js/pad/place_text.js");

/** Packs songs as the server does: a header, three bytes a dot, then ids as differences and the cells. */
function packed(songs, { nSongs = songs.length, cells = [] } = {}) {
  const varint = (value) => {
    const bytes = [];
    for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    return [...bytes, value];
  };
  const bytes = songs.flatMap(([v, a, quadrant]) => {
    const level = (value) => Math.round(((value + 1) / 2) * 2047);
    const dot = level(v) | (level(a) << 11) | ((quadrant - 1) << 22);
    return [dot & 255, (dot >> 8) & 255, (dot >> 16) & 255];
  });
  let last = 0;
  for (const [, , , id] of songs) {
    bytes.push(...varint(id - last));
    last = id;
  }
  bytes.push(...cells.flatMap(varint));
  const buffer = new ArrayBuffer(16 + bytes.length);
  const header = new DataView(buffer);
  const numbers = [0x314c504d, nSongs, songs.length, Math.sqrt(cells.length)];
  for (const [at, value] of numbers.entries()) header.setUint32(4 * at, value, true);
  new Uint8Array(buffer, 16).set(bytes);
  return buffer;
}

const SONGS = [
  [-1, -1, 3, 5],
  [0.5, 0.25, 1, 300],
  [1, -0.5, 4, 2_000_000],
];
const near = (actual, expected, within = 0.001) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`);

test("values are kept inside the plane, and on the sliders' steps", () => {
  assert.deepEqual([-3, -1, 0.2, 7].map(clamp), [-1, -1, 0.2, 1]);
  assert.deepEqual([0.123, -0.456, 1.2, 0.005].map(toStep), [0.12, -0.46, 1, 0.01]);
});

test("the plane lies five percent inside its element", () => {
  near(percent(-1), 5);
  near(percent(0), 50);
  near(percent(1), 95);
});

test("a pointer and the place that it is on are each other's inverse", () => {
  const plane = { getBoundingClientRect: () => ({ left: 100, top: 50, width: 400, height: 400 }) };
  for (const [v, a] of [
    [0, 0],
    [-1, 1],
    [0.42, -0.37],
  ]) {
    const event = { clientX: 100 + 4 * percent(v), clientY: 50 + 4 * percent(-a) };
    assert.deepEqual(PlaneView.prototype.placeOf.call({ plane }, event), [v, a]);
  }
  assert.deepEqual(PlaneView.prototype.placeOf.call({ plane }, { clientX: -999, clientY: 9999 }), [-1, -1]);
});

test("dots come back as they were packed, with ids of any size", () => {
  const points = Points.decode(packed(SONGS));
  assert.equal(points.length, 3);
  assert.deepEqual([...points.id], [5, 300, 2_000_000]);
  assert.deepEqual([...points.quadrant], [3, 1, 4]);
  SONGS.forEach(([v, a], dot) => {
    near(points.valence[dot], v);
    near(points.arousal[dot], a);
  });
});

test("an answer that is no points is an error, and not a plane without songs", () => {
  assert.throws(() => Points.decode(new ArrayBuffer(4)), /no points/);
  assert.throws(() => Points.decode(new ArrayBuffer(64)), /no points/);
});

test("the nearest dot is found within a distance, and none beyond it", () => {
  const points = Points.decode(packed(SONGS));
  assert.equal(points.nearest(0.4, 0.3, 0.3), 1);
  assert.equal(points.nearest(0, 0, 0.3), -1);
  assert.equal(points.nearest(0, 0, 3), 1);
});

test("the dots around a place are those within the distance", () => {
  const points = Points.decode(packed(SONGS));
  assert.deepEqual(points.around(0.75, -0.1, 0.5), [1, 2]);
  assert.equal(points.count(0.75, -0.1, 0.5), 2);
});

test("of a density, cells count whose middle lies within the distance", () => {
  const points = Points.decode(packed([], { nSongs: 100, cells: [1, 2, 200, 4] }));
  assert.equal(points.count(-0.5, 0.5, 0.3), 200);
  assert.equal(points.count(0, 0, 0.8), 207);
  assert.equal(points.count(0, 0, 0.3), 0);
});

test("a server without points leaves the plane empty", async () => {
  answerFetch(() => new Response(null, { status: 503 }));
  assert.equal(await fetchPoints("/points"), null);
  answerFetch(() => {
    throw new TypeError("no");
  });
  assert.equal(await fetchPoints("/points"), null);
  answerFetch(() => new Response(packed(SONGS)));
  assert.equal((await fetchPoints("/points")).nSongs, 3);
});

function painted(box, options) {
  let image;
  paintDots(
    {
      createImageData: (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }),
      putImageData: (put) => {
        image = put;
      },
    },
    box,
    { rgba: [10, 20, 30, 255], ...options },
  );
  return (x, y) => [...image.data.slice(4 * (y * image.width + x), 4 * (y * image.width + x) + 4)];
}

test("a dot is its colour in the middle, and nothing away from it", () => {
  const at = painted({ left: 0, top: 0, width: 20, height: 20 }, { xs: [10], ys: [10], radius: 3 });
  assert.deepEqual(at(10, 10), [10, 20, 30, 255]);
  assert.deepEqual(at(1, 1), [0, 0, 0, 0]);
});

test("dots that lie on each other add up, and only the chosen ones are painted", () => {
  const box = { left: 0, top: 0, width: 20, height: 20 };
  const alphaOf = (dots) => painted(box, { xs: [10, 10, 4], ys: [10, 10, 4], radius: 3, alpha: 0.5, dots })(10, 10)[3];
  assert.equal(alphaOf([0]), 128);
  assert.equal(alphaOf([0, 1]), 191);
  assert.equal(alphaOf([2]), 0);
});

test("a coordinate has a sign and two digits, and zero neither", () => {
  assert.deepEqual([0.4, -0.4, 0, 0.004].map(words.signed), ["+0.40", "−0.40", "0.0", "0.0"]);
});

test("a place is said in words that grow with its distance from the middle", () => {
  assert.deepEqual([-0.9, -0.5, -0.2, 0, 0.2, 0.5, 0.9].map(words.valenceWord), [
    "very unpleasant",
    "unpleasant",
    "slightly unpleasant",
    "neutral",
    "slightly pleasant",
    "pleasant",
    "very pleasant",
  ]);
  assert.equal(words.placeWords(0.5, -0.2), "pleasant, slightly calm");
  assert.equal(words.arousalText(-0.8), "arousal −0.80, very calm");
});

test("a number of songs is exact, or rounded and said to be", () => {
  assert.equal(words.countWords(0, false), "No songs near here");
  assert.equal(words.countWords(1, false), "1 song near here");
  assert.equal(words.countWords(1234, false), "1,234 songs near here");
  assert.equal(words.countWords(1234, true), "About 1,200 songs near here");
});
