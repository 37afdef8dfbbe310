/* The seam between two songs, block by block as the thread of the sound card asks for it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Seam } from "../../static/js/player/joiner.js";

const RATE = 48_000;
const BLOCK = 128;

/** A stereo tone from one sample of it to another. */
const tone = (from, to) =>
  Float32Array.from({ length: to - from }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 441 * (from + i)) / RATE + 0.3));

/**
 * Plays elements that begin at given frames, and returns what is heard.
 * @param {Seam} seam
 * @param {{ begins: number, sound: Float32Array }[]} songs
 */
function heard(seam, songs, { until, told = [] }) {
  const out = new Float32Array(until);
  const late = [];
  for (let frame = 0; frame < until; frame += BLOCK) {
    for (const [at, message] of told) if (at >= frame && at < frame + BLOCK) seam.tell(message, frame);
    const inputs = songs.map(({ begins, sound }) => {
      const block = Float32Array.from({ length: BLOCK }, (_, i) => sound[frame + i - begins] ?? 0);
      // An element that has not begun, or is over, may also give nothing at all.
      return frame + BLOCK <= begins ? [] : [block, block];
    });
    const block = [new Float32Array(BLOCK), new Float32Array(BLOCK)];
    const lateS = seam.fill(inputs, block, frame);
    if (lateS !== null) late.push([frame, lateS]);
    out.set(block[0], frame);
    assert.deepEqual(block[0], block[1]);
  }
  return { out, late };
}

test("two halves of a tone are one, whenever the second was started", () => {
  for (const [cut, begins] of [
    [24_000, 13_000],
    [24_037, 14_411],
    [23_999, 23_000],
    [24_064, 12_032],
  ]) {
    const songs = [
      { begins: 0, sound: tone(0, cut) },
      { begins, sound: tone(cut, 48_000) },
    ];
    const told = [[begins - 500, { type: "join", from: 0, to: 1, leftS: (cut - begins + 500) / RATE }]];
    const { out, late } = heard(new Seam(RATE), songs, { until: 47_872, told });
    assert.deepEqual(out, tone(0, 47_872), `cut at ${cut}`);
    assert.equal(late.length, 1);
    assert.ok(Math.abs(late[0][1] - (cut - begins) / RATE) < BLOCK / RATE);
  }
});

test("a song that follows one that is late itself follows without a gap too", () => {
  const songs = [
    { begins: 20_000, sound: tone(10_000, 30_000) },
    { begins: 0, sound: tone(0, 10_000) },
  ];
  const seam = new Seam(RATE);
  seam.lines[1].isLate = true;
  // The first song is late by 12,000 samples, and the second is started before that one's element ends.
  seam.lines[1].push([new Float32Array(12_000)], 0, 12_000);
  songs[0].begins = 9_000;
  const told = [[8_000, { type: "join", from: 1, to: 0, leftS: 14_000 / RATE }]];
  const { out } = heard(seam, songs, { until: 32_000, told });
  assert.deepEqual(out.slice(12_000), tone(0, 20_000));
});

test("silence at a seam is cut by less than a tenth of a second", () => {
  const silent = (n) => new Float32Array(n);
  const songs = [
    { begins: 0, sound: Float32Array.from([...tone(0, 12_000), ...silent(12_000)]) },
    { begins: 14_000, sound: Float32Array.from([...silent(9_600), ...tone(0, 24_000)]) },
  ];
  const told = [
    [13_500, { type: "join", from: 0, to: 1, leftS: 10_500 / RATE }],
    [14_000, { type: "plays" }],
  ];
  const { out } = heard(new Seam(RATE), songs, { until: 48_000, told });
  const gap = out.findIndex((value, i) => i > 12_000 && value !== 0) - 12_000;
  assert.ok(gap > 21_600 - 0.16 * RATE - BLOCK && gap < 21_600, String(gap));
});

test("a song that comes late begins when it comes, and a pause holds everything", () => {
  const songs = [
    { begins: 0, sound: tone(0, 12_000) },
    { begins: 13_000, sound: tone(12_000, 36_000) },
  ];
  const told = [[11_000, { type: "join", from: 0, to: 1, leftS: 1_000 / RATE }]];
  const { out, late } = heard(new Seam(RATE), songs, { until: 24_960, told });
  assert.equal(late[0][1], 0);
  assert.deepEqual(out.slice(13_056, 24_960), tone(12_056, 23_960));
  const seam = new Seam(RATE);
  seam.tell({ type: "hold", held: true }, 0);
  assert.ok(heard(seam, songs, { until: 6_400 }).out.every((value) => value === 0));
});
