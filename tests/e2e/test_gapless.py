"""Two halves of one recording, heard in a real browser: the hole between them is shorter than 5 ms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from catalog.models import Song
from emotion.models import Waveform
from tests.e2e.conftest import Opener
from tests.e2e.test_player import shown, wait_for
from tests.encodings import ENCODINGS, encode

# Listens to what goes to the loudspeakers, in the thread of the sound card, which misses nothing.
_TAP = """
const worklet = `registerProcessor("tap", class extends AudioWorkletProcessor {
  constructor() { super(); this.heard = []; this.port.onmessage = () => this.port.postMessage(this.heard); }
  process([input]) { this.heard.push(input.length ? input[0].slice() : new Float32Array(128)); return true; }
})`;
const connect = AudioNode.prototype.connect;
const taps = new Map();
AudioNode.prototype.connect = function (to, ...rest) {
  const { context } = this;
  if (to === context.destination && context instanceof AudioContext) {
    if (!taps.has(context)) {
      const url = URL.createObjectURL(new Blob([worklet], { type: "text/javascript" }));
      taps.set(context, context.audioWorklet.addModule(url).then(() => {
        const tap = new AudioWorkletNode(context, "tap", { channelCount: 1, channelCountMode: "explicit" });
        connect.call(tap, context.destination);
        return tap;
      }));
    }
    taps.get(context).then((tap) => connect.call(this, tap));
  }
  return connect.call(this, to, ...rest);
};
window.heard = async () => {
  const [[context, waiting]] = taps;
  const tap = await waiting;
  const blocks = await new Promise((resolve) => {
    tap.port.onmessage = ({ data }) => resolve(data);
    tap.port.postMessage("");
  });
  return { rate: context.sampleRate, samples: blocks.flatMap((block) => [...block]) };
};
"""
_TONE_HZ = 441.3
_HALF_S = 3.0


def longest_hole_s(samples: np.ndarray, rate_hz: float) -> float:
    """Return the longest silence between the first and the last sound; a tone has none."""
    sounding = np.flatnonzero(np.abs(samples) > 1e-4)
    return float(np.diff(sounding).max()) / rate_hz


def shift_s(samples: np.ndarray, rate_hz: float, seam: int) -> float:
    """Return by how much the tone after a seam is late, within half of its period."""
    phases = []
    for start in (seam - round(0.7 * rate_hz), seam + round(0.2 * rate_hz)):
        at = np.arange(start, start + round(0.5 * rate_hz))
        phases.append(np.sum(samples[at] * np.exp(-2j * math.pi * _TONE_HZ * at / rate_hz)))
    return float(np.angle(phases[0] / phases[1])) / (2 * math.pi * _TONE_HZ)


# A decoder of MP3 may be off by some samples.
@pytest.mark.parametrize(("name", "most_late_s"), [("flac", 0.0001), ("mp3", 0.001)])
def test_two_halves_of_a_recording_are_one(
    open_page: Opener, songs: list[Song], tmp_path: Path, name: str, most_late_s: float
) -> None:
    how = ENCODINGS[name]
    n_samples = round(2 * _HALF_S * how.rate_hz)
    tone = 0.4 * np.sin(2 * math.pi * _TONE_HZ * np.arange(n_samples) / how.rate_hz).astype(np.float32)
    stereo = np.repeat(tone[:, None], 2, axis=1)
    with open_page(viewport={"width": 1280, "height": 900}, bypass_csp=True) as page:
        page.add_init_script(_TAP)
        page.goto("/songs/")
        for song_id, half in zip(shown(page)[:2], np.array_split(stereo, 2), strict=True):
            song = Song.objects.get(pk=song_id)
            # As loud as it is played, so that no gain changes within the seam.
            Waveform.objects.create(song=song, loudness_lufs=-18.0, true_peak_dbtp=-8.0, peaks_bytes=b"\1")
            encode(tmp_path / "half", half, name).replace(Path(settings.MEDIA_ROOT) / str(song.audio.name))
        # The third is too short to matter, and ends it.
        page.locator("[data-track] [data-play]").first.click()
        _pause_in_second(page, shown(page)[1])
        heard = page.evaluate("window.heard()")
    samples = np.asarray(heard["samples"])
    seam = int(np.flatnonzero(samples)[0]) + round(_HALF_S * heard["rate"])
    hole_s, late_s = longest_hole_s(samples, heard["rate"]), shift_s(samples, heard["rate"], seam)
    assert hole_s < 0.005
    assert abs(late_s) < most_late_s


def _pause_in_second(page: Page, song: str) -> None:
    expect(page.locator("#player")).to_have_attribute("data-song", song)
    position = "document.querySelector('[data-player-audio]').currentTime"
    wait_for(lambda: page.evaluate(position) > 1.6, "the second half plays")
    page.keyboard.press("Space")
