"""Thermal radiation as a camera sees it: Planck radiance, eye and sensor responses, band tables.

All temperatures are degrees Celsius, all wavelengths nanometres. Band values are relative: a black body at
`REFERENCE_C` has the value 1 in its brightest channel.

Sources: Planck's law; colour matching functions after Wyman, Sloan and Shirley, "Simple Analytic
Approximations to the CIE XYZ Color Matching Functions", JCGT 2(2), 2013 (multi-lobe fit); soot emissivity
~ wavelength^-1.4 (between -1.38 and -1.423 of Dreyer et al., Applied Optics 58, 2662, 2019). The sensor is a
model of a silicon colour camera; its numbers are chosen so that R/G and B/G follow a real one's trend with
and without an infrared cut filter.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kilnsense.errors import InputError

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

REFERENCE_C = 1450.0
SOOT_EXPONENT = -1.4
TABLE_MIN_C, TABLE_MAX_C = 300, 2500
RESPONSES = ("eye", "ir_cut", "no_ir_cut")

_C2 = 1.438776877e-2  # second radiation constant, m K
_C1L = 1.191042972e-16  # first radiation constant for spectral radiance, W m2 sr-1
_WAVELENGTHS = np.arange(380.0, 1101.0, 2.0)

# Linear sRGB (D65) from CIE XYZ, IEC 61966-2-1.
XYZ_TO_RGB: Array = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)


def planck(wavelength_nm: Array, temperature_c: float | Array) -> Array:
    """Spectral radiance of a black body in W m-3 sr-1; the two arguments broadcast."""
    metres = np.asarray(wavelength_nm, dtype=np.float64) * 1e-9
    kelvin = np.asarray(temperature_c, dtype=np.float64) + 273.15
    return np.asarray(_C1L / metres**5 / np.expm1(_C2 / (metres * kelvin)))


def _lobe(x: Array, mean: float, below: float, above: float) -> Array:
    """Gaussian with different widths below and above its mean."""
    return np.asarray(np.exp(-0.5 * ((x - mean) / np.where(x < mean, below, above)) ** 2))


def eye_response(wavelength_nm: Array) -> Array:
    """CIE 1931 colour matching functions, (3, n) rows X, Y, Z (Wyman 2013)."""
    x = np.asarray(wavelength_nm, dtype=np.float64)
    return np.stack(
        [
            1.056 * _lobe(x, 599.8, 37.9, 31.0)
            + 0.362 * _lobe(x, 442.0, 16.0, 26.7)
            - 0.065 * _lobe(x, 501.1, 20.4, 26.2),
            0.821 * _lobe(x, 568.8, 46.9, 40.5) + 0.286 * _lobe(x, 530.9, 16.3, 31.1),
            1.217 * _lobe(x, 437.0, 11.8, 36.0) + 0.681 * _lobe(x, 459.0, 26.0, 13.8),
        ]
    )


def _edge(x: Array, at: float, width: float) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp((at - x) / width)))


def sensor_response(wavelength_nm: Array, *, ir_cut: bool) -> Array:
    """Modelled Bayer sensor, (3, n) rows R, G, B: silicon efficiency x colour filter x infrared cut.

    Bayer dyes turn clear in the near infrared (red first, then green and blue), which is why a camera
    without a cut filter shows hot clinker pinkish white.
    """
    x = np.asarray(wavelength_nm, dtype=np.float64)
    silicon = np.interp(
        x,
        [380, 420, 480, 540, 600, 700, 800, 900, 1000, 1100],
        [0.30, 0.42, 0.55, 0.62, 0.62, 0.53, 0.39, 0.24, 0.09, 0.01],
    )
    red = 0.95 * _edge(x, 573.3, 10.25) + 0.02
    green = 0.90 * _lobe(x, 546.9, 29.95, 29.95) + 0.93 * _edge(x, 816.9, 25.0) + 0.016
    blue = 0.80 * _lobe(x, 457.8, 31.7, 31.7) + 0.93 * _edge(x, 814.2, 20.0)
    cut = 1.0 - _edge(x, 639.2, 12.0) if ir_cut else np.ones_like(x)
    return np.asarray(np.stack([red, green, blue]) * silicon * cut)


def _channels(response: str) -> Array:
    if response == "eye":
        return XYZ_TO_RGB @ eye_response(_WAVELENGTHS)
    if response in RESPONSES:
        return sensor_response(_WAVELENGTHS, ir_cut=response == "ir_cut")
    raise InputError(f"camera response: got {response!r}; allowed are {', '.join(RESPONSES)}")


@dataclass(frozen=True)
class BandTable:
    """Radiance of a hot body in the three channels of a camera, tabulated per kelvin.

    `values` is (n, 3) float32, linear, channel order R, G, B; row 0 belongs to `TABLE_MIN_C`.
    For the response "eye" the channels are linear sRGB and may be negative outside the gamut.
    """

    values: Image

    def at(self, temperature_c: float) -> npt.NDArray[np.float32]:
        """The three channel values at one temperature, linear between rows, clamped at the ends."""
        position = float(np.clip(temperature_c - TABLE_MIN_C, 0, len(self.values) - 1))
        low = min(int(position), len(self.values) - 2)
        share = np.float32(position - low)
        return np.asarray((1 - share) * self.values[low] + share * self.values[low + 1])

    def image(self, temperature_c: Image) -> Image:
        """Channel values (..., 3) float32 for an array of temperatures, to the nearest kelvin."""
        rows = (temperature_c - (TABLE_MIN_C - 0.5)).astype(np.int32)
        return np.take(self.values, rows, axis=0, mode="clip")


def band_table(response: str, *, soot: bool = False) -> BandTable:
    """Integrate Planck's law over a camera response, once per kelvin.

    response: one of `RESPONSES`. soot: weight with the emissivity (wavelength / 600 nm)^-1.4 of soot
    instead of a grey body. Both tables of one response share their scale. Raises InputError.
    """
    channels = _channels(response)
    emissivity = (_WAVELENGTHS / 600.0) ** SOOT_EXPONENT if soot else np.ones_like(_WAVELENGTHS)
    temperatures = np.arange(TABLE_MIN_C, TABLE_MAX_C + 1, dtype=np.float64)
    radiance = planck(_WAVELENGTHS[None, :], temperatures[:, None])
    reference = (channels @ planck(_WAVELENGTHS, REFERENCE_C)).max()
    values = (radiance * emissivity) @ channels.T / reference
    return BandTable(values=values.astype(np.float32))


def luminance(temperature_c: float) -> float:
    """CIE Y of a black body relative to one at `REFERENCE_C`."""
    eye = eye_response(_WAVELENGTHS)[1]
    return float(eye @ planck(_WAVELENGTHS, temperature_c) / (eye @ planck(_WAVELENGTHS, REFERENCE_C)))


def encode_srgb(linear: Image | Array) -> Array:
    """Linear light 0..1 to sRGB code values 0..1, clipped at both ends (IEC 61966-2-1)."""
    x = np.clip(np.asarray(linear, dtype=np.float64), 0.0, 1.0)
    return np.asarray(np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055))
