"""Whether songs measure as loud as FFmpeg's own command says, how far they lie apart, and what measuring costs.

Run: python bench/loudness.py FOLDER, with ffmpeg installed. Every file of the folder that is a recording is read as
Moodplane reads it, and once by `ffmpeg -af ebur128`. Prints the largest differences, the spread as the files are and as
it would be after the gain to one loudness without clipping, and CPU seconds for four minutes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emotion.exceptions import AudioUnreadableError
from emotion.measures.loudness import Loudness, LoudnessMeter
from emotion.signal.audio import stream_sound

TARGET_LUFS, CEILING_DBTP = -18.0, -1.0


def measured(path: Path) -> tuple[Loudness, float, float]:
    """Return the loudness, and the CPU seconds of reading the file with and without measuring it."""
    meter, times = LoudnessMeter(), [time.process_time()]
    for on_block in (meter.add, lambda _block, _rate_hz: None):
        for _mono in stream_sound(path, on_block=on_block):
            pass
        if on_block == meter.add:
            loudness = meter.result()
        times.append(time.process_time())
    return loudness, times[1] - times[0], times[2] - times[1]


def theirs(path: Path) -> tuple[float, float]:
    """Return the loudness and the true peak that FFmpeg's command prints, to a tenth."""
    command = ["ffmpeg", "-nostats", "-i", str(path), "-map", "0:a:0", "-af", "ebur128=peak=true:dualmono=true"]
    run = subprocess.run([*command, "-f", "null", "-"], capture_output=True, text=True, check=True)
    summary = run.stderr[run.stderr.rindex("Summary") :]
    found = [re.search(pattern, summary) for pattern in (r"I: +(-?[\d.]+) LUFS", r"Peak: +(-?[\d.]+) dBFS")]
    loudness, peak = (float(each[1]) for each in found if each)
    return loudness, peak


def main() -> None:
    loudness, played, off, off_peak, seconds, with_s, without_s = [], [], [], [], 0.0, 0.0, 0.0
    for path in sorted(Path(sys.argv[1]).iterdir()):
        try:
            ours, measuring_s, reading_s = measured(path)
        except AudioUnreadableError:
            continue
        if ours.integrated_lufs is None or ours.true_peak_dbtp is None:
            print(f"{path.name} is silent.")
            continue
        integrated, peak = theirs(path)
        off.append(abs(ours.integrated_lufs - integrated))
        off_peak.append(abs(ours.true_peak_dbtp - peak))
        loudness.append(ours.integrated_lufs)
        gain = min(TARGET_LUFS - ours.integrated_lufs, CEILING_DBTP - ours.true_peak_dbtp)
        played.append(ours.integrated_lufs + gain)
        seconds += sum(len(mono) for mono in stream_sound(path)) / 22_050
        with_s, without_s = with_s + measuring_s, without_s + reading_s
    print(f"{len(off)} songs. Off FFmpeg's by at most {max(off):.2f} LU and {max(off_peak):.2f} dB of true peak.")
    print(
        f"Loudness {min(loudness):.1f} to {max(loudness):.1f} LUFS: a spread of {max(loudness) - min(loudness):.1f} LU;"
    )
    print(f"after the gain to {TARGET_LUFS:g} LUFS without clipping: {max(played) - min(played):.1f} LU.")
    reading_s, measuring_s = (240 * each / seconds for each in (without_s, with_s - without_s))
    print(f"CPU seconds for four minutes: {measuring_s:.2f}; reading them takes {reading_s:.2f}.")


if __name__ == "__main__":
    main()
