"""Spectra as layers of a network, on waveforms at 22,050 Hz, whose bases may learn with it.

Waveforms are `(n, 1, n_samples)` float32 in about [-1, 1]; spectra are `(n, n_bands, n_frames)` float32, a frame every
`hop` samples, the first one centred on the first sample, with the waveform mirrored at its ends. Under autocast they
stay in float32: half precision would fill the quiet bands with the rounding of the loud ones.

Learning bases are parameters; fixed ones are buffers that no checkpoint holds.

Source: Cheuk et al. (2020), nnAudio: an on-the-fly GPU audio to spectrogram conversion toolbox using 1D convolutional
neural networks, which the code of Bathigama et al. uses.
"""

from __future__ import annotations

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor, nn

from emotion.signal.audio import SAMPLE_RATE_HZ

_LEAST_POWER = 1e-10
_RANGE_DB = 80.0
_LARGEST_MASK = 0.15
_BINS_PER_OCTAVE = 12


class FilterBank(nn.Module):
    """Power of a waveform behind complex filters `(n_filters, length)`, of an even length."""

    kernel: Tensor  # `(2 * n_filters, 1, length)`: real parts, then imaginary ones.

    def __init__(self, filters: NDArray[np.complexfloating], hop: int, *, trainable: bool) -> None:
        super().__init__()
        self.hop = hop
        _hold(self, "kernel", np.concatenate([filters.real, filters.imag])[:, None], trainable=trainable)

    def forward(self, waveform: Tensor) -> Tensor:
        half = self.kernel.shape[-1] // 2
        with torch.autocast(waveform.device.type, enabled=False):
            padded = nn.functional.pad(waveform.float(), (half, half), mode="reflect")
            real, imaginary = nn.functional.conv1d(padded, self.kernel, stride=self.hop).chunk(2, dim=1)
            return real.square() + imaginary.square()


class Stft(nn.Module):
    """Magnitude of `n_fft // 2 + 1` frequencies from 0 to `f_max_hz`, of frames of `n_fft` samples under a Hann window.

    Up to half of the sample rate the frequencies are those of the Fourier transform.
    """

    def __init__(
        self, n_fft: int = 1024, hop: int = 256, *, f_max_hz: float = SAMPLE_RATE_HZ / 2, trainable: bool = False
    ) -> None:
        super().__init__()
        self.bank = FilterBank(_fourier_filters(n_fft, f_max_hz), hop, trainable=trainable)

    def forward(self, waveform: Tensor) -> Tensor:
        return _magnitude(self.bank(waveform))


class Mel(nn.Module):
    """Power in `n_mels` bands of Slaney's mel scale, each divided by its width."""

    basis: Tensor  # `(n_mels, n_fft // 2 + 1)`.

    def __init__(self, n_mels: int = 128, n_fft: int = 1024, hop: int = 512, *, trainable: bool = False) -> None:
        super().__init__()
        self.bank = FilterBank(_fourier_filters(n_fft, SAMPLE_RATE_HZ / 2), hop, trainable=trainable)
        basis = librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=n_fft, n_mels=n_mels)
        _hold(self, "basis", basis, trainable=trainable)

    def forward(self, waveform: Tensor) -> Tensor:
        power = self.bank(waveform)
        with torch.autocast(power.device.type, enabled=False):
            return self.basis @ power


class Mfcc(nn.Module):
    """Mel-frequency cepstral coefficients `(n, n_mfcc, n_frames)` of mel power `(n, n_mels, n_frames)`.

    Decibels end 80 below the loudest band of each waveform; the cosine transform is orthonormal.
    """

    basis: Tensor  # `(n_mfcc, n_mels)`.

    def __init__(self, n_mfcc: int = 20, n_mels: int = 128, *, trainable: bool = False) -> None:
        super().__init__()
        _hold(self, "basis", fft.dct(np.eye(n_mels), axis=0, norm="ortho")[:n_mfcc], trainable=trainable)

    def forward(self, power: Tensor) -> Tensor:
        with torch.autocast(power.device.type, enabled=False):
            level_db = 10.0 * power.clamp(min=_LEAST_POWER).log10()
            loudest_db = level_db.amax(dim=(1, 2), keepdim=True)
            return self.basis @ torch.maximum(level_db, loudest_db - _RANGE_DB)


class Cqt(nn.Module):
    """Magnitude of `n_bins` semitones from `f_min_hz` on, each over the same number of its periods.

    The filters of an octave are as long as its longest. A waveform needs more than half the samples of the lowest
    filter: 5,845 from 32.7 Hz on.

    Source: Brown (1991), Calculation of a constant Q spectral transform; scaled as in librosa.
    """

    def __init__(self, n_bins: int = 84, hop: int = 512, *, f_min_hz: float = 32.7, trainable: bool = False) -> None:
        super().__init__()
        freqs_hz = f_min_hz * 2.0 ** (np.arange(n_bins) / _BINS_PER_OCTAVE)
        filters, lengths = librosa.filters.wavelet(freqs=freqs_hz, sr=SAMPLE_RATE_HZ, pad_fft=False)
        scaled = np.sqrt(lengths)[:, None] * filters
        self.octaves = nn.ModuleList()
        for start in range(0, n_bins, _BINS_PER_OCTAVE):
            octave = scaled[start : start + _BINS_PER_OCTAVE]
            spare = (octave.shape[1] - int(lengths[start])) // 2
            cut = octave[:, spare : octave.shape[1] - spare]
            even = np.pad(cut, ((0, 0), (0, cut.shape[1] % 2)))
            self.octaves.append(FilterBank(even, hop, trainable=trainable))

    def forward(self, waveform: Tensor) -> Tensor:
        return _magnitude(torch.cat([octave(waveform) for octave in self.octaves], dim=1))


class SpecAugment(nn.Module):
    """In training, blank a band and a stretch of time of a spectrum, each of up to 15 %, with a `chance` for each.

    Source: Park et al. (2019), SpecAugment.
    """

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, spectrum: Tensor) -> Tensor:
        if not self.training or self.chance <= 0:
            return spectrum
        n, bands, frames = spectrum.shape
        kept_bands, kept_frames = self._kept(spectrum, bands), self._kept(spectrum, frames)
        return spectrum * kept_bands.view(n, bands, 1) * kept_frames.view(n, 1, frames)

    def _kept(self, spectrum: Tensor, length: int) -> Tensor:
        chosen, width, start = torch.rand(3, len(spectrum), 1, device=spectrum.device)
        width = _LARGEST_MASK * width * (chosen < self.chance)
        start = start * (1 - width)
        place = (torch.arange(length, device=spectrum.device) + 0.5) / length
        return ((place < start) | (place >= start + width)).to(spectrum.dtype)


def _fourier_filters(n_fft: int, f_max_hz: float) -> NDArray[np.complexfloating]:
    time_s = np.arange(n_fft) / SAMPLE_RATE_HZ
    freqs_hz = np.linspace(0.0, f_max_hz, n_fft // 2 + 1)
    window: NDArray[np.floating] = librosa.filters.get_window("hann", n_fft)
    return window * np.exp(-2j * np.pi * freqs_hz[:, None] * time_s)


def _magnitude(power: Tensor) -> Tensor:
    # The slope of a root is infinite at 0.
    return power.clamp(min=1e-12).sqrt()


def _hold(module: nn.Module, name: str, values: NDArray[np.floating], *, trainable: bool) -> None:
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    if trainable:
        module.register_parameter(name, nn.Parameter(tensor))
    else:
        module.register_buffer(name, tensor, persistent=False)
