"""Tone mapping of HDR video (PQ and HLG) to SDR.

The signal is converted to luminance by ITU-R BT.2100, compressed from 1,000 to 203 cd/m² (the reference white of ITU-R
BT.2408) by the curve of ITU-R BT.2390 (section 5.4.1), converted from BT.2020 to BT.709 primaries, and encoded as sRGB.
Luminances below about 90 cd/m² keep their values, so faces keep their contrast.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Transfer = Literal["PQ", "HLG"]
TRANSFERS: Final[dict[int, Transfer]] = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273 that are HDR."""

_PEAK: Final = 1000.0  # cd/m², of the mastering display
_WHITE: Final = 203.0  # cd/m², shown as SDR white
_CODES: Final = 65536
_TO_BT709: Final = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
"""Linear BT.2020 to linear BT.709 (ITU-R BT.2087)."""
_M1, _M2 = 2610 / 16384, 2523 / 32  # constants of PQ
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128

Floats = npt.NDArray[np.float64]


def tone_map(pixels: npt.NDArray[np.uint16], transfer: Transfer) -> npt.NDArray[np.uint8]:
    """Convert HDR pixels, uint16 R'G'B' (H, W, 3) of the full range, to SDR pixels, uint8 sRGB (H, W, 3)."""
    import cv2

    linear = np.take(_linear_table(transfer), pixels)
    return np.take(_srgb_table(), np.asarray(cv2.transform(linear, _TO_BT709), np.uint16))


@cache
def _linear_table(transfer: Transfer) -> npt.NDArray[np.uint16]:
    """Signal code to tone-mapped linear light, uint16 (65536,); 65535 is SDR white."""
    signal = np.linspace(0, 1, _CODES)
    luminance = pq_luminance(signal) if transfer == "PQ" else hlg_luminance(signal)
    light = pq_luminance(_compress(pq_signal(np.minimum(luminance, _PEAK)))) / _WHITE
    return np.round(np.clip(light, 0, 1) * (_CODES - 1)).astype(np.uint16)


@cache
def _srgb_table() -> npt.NDArray[np.uint8]:
    """Linear light, 65535 being white, to sRGB, uint8 (65536,)."""
    light = np.linspace(0, 1, _CODES)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


def pq_luminance(signal: Floats) -> Floats:
    """Luminance in cd/m² of a PQ signal 0…1 (SMPTE ST 2084)."""
    power = signal ** (1 / _M2)
    return 10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def pq_signal(luminance: Floats) -> Floats:
    """PQ signal 0…1 of a luminance in cd/m²."""
    power = (luminance / 10_000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def hlg_luminance(signal: Floats) -> Floats:
    """Luminance in cd/m² of an HLG signal 0…1 on a display of 1,000 cd/m² (system gamma 1.2)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(_PEAK * scene**1.2)


def _compress(signal: Floats) -> Floats:
    """Roll-off of a PQ signal from the peak of the video to SDR white; linear below its knee."""
    top = pq_signal(np.array(_PEAK))
    limit = float(pq_signal(np.array(_WHITE)) / top)
    knee = 1.5 * limit - 0.5
    x = signal / top
    t = np.clip((x - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * limit
    return np.where(x < knee, x, spline) * top
