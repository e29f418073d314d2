"""Audio features without weights: log-mel bands, energy, pitch and voicing, 12.5 frames per second."""

from collections.abc import Mapping

import numpy as np
import torch
import torchaudio.functional
from jaxtyping import Float
from torch import Tensor

from study.features.frame_rate import averaged

SAMPLE_RATE_HZ = 16_000
# 64 ms hold almost four periods of the lowest pitch, and windows 40 ms apart still overlap by a third. Two of them
# are averaged into a frame of 80 ms: prosody is slower than that, and on the demo corpus models score the same as
# on single windows for six tenths of the time.
WINDOW = 1024
HOP = 640
WINDOWS_PER_FRAME = 2
# Twice the window: zero padding makes the autocorrelation linear instead of circular.
FFT = 2 * WINDOW
N_BANDS = 40
LOWEST_HZ = 50.0
HIGHEST_HZ = 7600.0
# -100 dB of full scale, so that digital silence has a logarithm.
POWER_FLOOR = 1e-10
SHORTEST_LAG = SAMPLE_RATE_HZ // 500
LONGEST_LAG = SAMPLE_RATE_HZ // 60
# Prefers the shorter of two equally good periods: twice a period is as good a period of any steady tone.
OCTAVE_COST = 0.01
VOICED = 0.45
PITCH_REFERENCE_HZ = 100.0

ENERGY = N_BANDS
PITCH = N_BANDS + 1
VOICING = N_BANDS + 2


class LogMel:
    """Frames of 40 log-mel powers, log energy, pitch in octaves above 100 Hz, and voicing strength in 0..1.

    Pitch is interpolated over unvoiced frames, and 0 where no frame is voiced. Nothing is normalised per
    utterance: how loud and how high a speaker is carries emotion.

    Source: pitch and voicing follow Boersma (1993), "Accurate short-term analysis of the fundamental frequency
    and the harmonics-to-noise ratio of a sampled sound", equation 9, without its search for the best path.
    """

    dim = N_BANDS + 3
    rate_hz = SAMPLE_RATE_HZ / (HOP * WINDOWS_PER_FRAME)
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self) -> None:
        """Builds the constant tables."""
        self._window = torch.hann_window(WINDOW)
        self._bands = torchaudio.functional.melscale_fbanks(
            FFT // 2 + 1, LOWEST_HZ, HIGHEST_HZ, N_BANDS, SAMPLE_RATE_HZ
        )
        spectrum = torch.fft.rfft(self._window, n=FFT).abs().square()
        self._window_correlation = _normalised_autocorrelation(spectrum[None])[0]
        lags = torch.arange(SHORTEST_LAG, LONGEST_LAG + 1)
        self._octave_cost = OCTAVE_COST * torch.log2(lags / SHORTEST_LAG)

    @property
    def identity(self) -> Mapping[str, object]:
        """The name and version of these features."""
        return {"name": "logmel", "version": 2, "layer": "last", "dtype": "float32"}

    def load(self) -> None:
        """Does nothing: there are no weights."""

    def encode(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "time dim"]:
        """The frames of one utterance, 80 ms each from the first sample on; what is left over joins the last one."""
        spectrum = torch.stft(
            samples, FFT, HOP, WINDOW, self._window, center=True, pad_mode="constant", return_complex=True
        )
        # Scaled so that a full-scale sine has a power of 1/4 whatever the window.
        power = (spectrum.abs().square() / self._window.sum().square()).T  # [time, frequency]
        bands = (power @ self._bands).clamp_min(POWER_FLOOR).log()
        energy = power.sum(1, keepdim=True).clamp_min(POWER_FLOOR).log()
        return averaged(torch.cat([bands, energy, *self._pitch(power)], dim=1), WINDOWS_PER_FRAME)

    def _pitch(self, power: Float[Tensor, "time frequency"]) -> tuple[Float[Tensor, "time 1"], Float[Tensor, "time 1"]]:
        """Pitch in octaves above 100 Hz, and voicing strength."""
        # Rumble below the lowest pitch correlates at every lag.
        heard = power.clone()
        heard[:, : round(LOWEST_HZ * FFT / SAMPLE_RATE_HZ)] = 0
        correlation = _normalised_autocorrelation(heard) / self._window_correlation
        before, here, after = (correlation[:, SHORTEST_LAG + shift : LONGEST_LAG + 1 + shift] for shift in (-1, 0, 1))
        peaks = torch.where((here >= before) & (here >= after), here - self._octave_cost, -1.0)
        best = peaks.argmax(1, keepdim=True)
        low, top, high = (values.gather(1, best) for values in (before, here, after))
        # A parabola through the peak and its neighbours: a lag of whole samples is up to 1.6 % off at 500 Hz.
        bend = (low - 2 * top + high).clamp_max(-1e-6)
        shift = (0.5 * (low - high) / bend).clamp(-0.5, 0.5)
        octaves = torch.log2(SAMPLE_RATE_HZ / (SHORTEST_LAG + best + shift) / PITCH_REFERENCE_HZ)
        voicing = torch.where(peaks.gather(1, best) > -1.0, top, 0.0).clamp(0.0, 1.0)
        return _interpolated(octaves, voicing), voicing


def _normalised_autocorrelation(power: Float[Tensor, "time frequency"]) -> Float[Tensor, "time lag"]:
    """The autocorrelation of each frame at lags up to one past the longest, 1 at lag 0 and 0 in silence."""
    correlation: Tensor = torch.fft.irfft(power, n=FFT)[:, : LONGEST_LAG + 2]
    return correlation / correlation[:, :1].clamp_min(POWER_FLOOR / FFT)


def _interpolated(octaves: Float[Tensor, "time 1"], voicing: Float[Tensor, "time 1"]) -> Float[Tensor, "time 1"]:
    voiced = np.flatnonzero(voicing.numpy() > VOICED)
    if len(voiced) == 0:
        return torch.zeros_like(octaves)
    filled = np.interp(np.arange(len(octaves)), voiced, octaves.numpy()[voiced, 0])
    return torch.from_numpy(filled).float()[:, None]
