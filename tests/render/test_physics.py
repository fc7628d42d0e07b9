"""Radiation against published and tabulated values."""

import numpy as np
import pytest

from kilnsense.errors import InputError
from kilnsense.render.physics import BandTable, band_table, encode_srgb, luminance, planck, sensor_response

# Temperature in degrees Celsius: luminance relative to 1450, chroma-normalised sRGB, linear G/R.
COLOURS = {
    900: (0.0014, "ff4900", 0.067),
    1100: (0.027, "ff5f00", 0.115),
    1250: (0.155, "ff6d00", 0.151),
    1350: (0.416, "ff7400", 0.176),
    1450: (1.0, "ff7c00", 0.200),
    1550: (2.19, "ff8200", 0.225),
    1700: (6.13, "ff8c10", 0.261),
    2000: (32.4, "ff9c36", 0.331),
}
# Bed colours at one exposure: a black body at 1600 degrees Celsius has Y = 1, the bed's emissivity is 0.9.
BED = {
    1250: (104, 40, 0),
    1350: (160, 71, 0),
    1400: (194, 90, 0),
    1450: (232, 112, 0),
    1500: (255, 137, 0),
    1550: (255, 165, 0),
}


@pytest.fixture(scope="module")
def eye() -> BandTable:
    return band_table("eye")


def _hex(code: str) -> np.ndarray:
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)])


@pytest.mark.parametrize("temperature", COLOURS)
def test_black_body_colour_and_luminance(eye: BandTable, temperature: int) -> None:
    relative, code, green = COLOURS[temperature]
    linear = eye.at(temperature)
    srgb = 255 * encode_srgb(linear / linear.max())
    assert luminance(temperature) == pytest.approx(relative, rel=0.03)
    assert np.abs(srgb - _hex(code)).max() < 2.0
    assert linear[1] / linear[0] == pytest.approx(green, abs=0.003)


@pytest.mark.parametrize(("kelvin", "code"), [(1600, "ff7300"), (2000, "ff8912"), (2400, "ff9d3f")])
def test_colour_of_an_independent_blackbody_table(eye: BandTable, kelvin: int, code: str) -> None:
    """The rows published at vendian.org/mncharity/dir3/blackbody."""
    linear = eye.at(kelvin - 273.15)
    assert np.abs(255 * encode_srgb(linear / linear.max()) - _hex(code)).max() < 6.0


@pytest.mark.parametrize("temperature", BED)
def test_bed_colour_at_fixed_exposure(eye: BandTable, temperature: int) -> None:
    white = eye.at(1600) @ np.array([0.2126729, 0.7151522, 0.0721750])
    assert np.abs(255 * encode_srgb(0.9 * eye.at(temperature) / white) - BED[temperature]).max() < 3.0


@pytest.mark.parametrize(
    ("response", "temperature", "red_green"),
    [
        ("ir_cut", 1250, 2.69),
        ("ir_cut", 1450, 2.29),
        ("ir_cut", 2000, 1.67),
        ("no_ir_cut", 1250, 1.47),
        ("no_ir_cut", 1450, 1.63),
        ("no_ir_cut", 2000, 1.97),
    ],
)
def test_sensor_red_green_ratio(response: str, temperature: int, red_green: float) -> None:
    red, green, _ = band_table(response).at(temperature)
    assert red / green == pytest.approx(red_green, rel=0.03)


def test_camera_without_cut_filter_sees_blue_as_bright_as_green() -> None:
    _, green, blue = band_table("no_ir_cut").at(1450)
    _, cut_green, cut_blue = band_table("ir_cut").at(1450)
    assert 0.88 < blue / green < 1.0
    assert 0.09 < cut_blue / cut_green < 0.22


def test_hotter_by_100_kelvin_brightens_less_without_cut_filter() -> None:
    grown = {
        r: band_table(r).at(1550).mean() / band_table(r).at(1450).mean() for r in ("ir_cut", "no_ir_cut")
    }
    assert grown["no_ir_cut"] == pytest.approx(1.67, rel=0.1)
    assert grown["ir_cut"] > grown["no_ir_cut"] * 1.15


def test_planck_integrates_to_stefan_boltzmann() -> None:
    wavelength = np.geomspace(100.0, 1e6, 20001)
    radiance = planck(wavelength, 1450.0)
    power = np.pi * np.sum((radiance[1:] + radiance[:-1]) / 2 * np.diff(wavelength)) * 1e-9
    assert power == pytest.approx(5.670374e-8 * 1723.15**4, rel=1e-3)


def test_soot_is_bluer_than_a_grey_body() -> None:
    grey, soot = band_table("ir_cut").at(1800), band_table("ir_cut", soot=True).at(1800)
    assert soot[1] / soot[0] > 1.02 * grey[1] / grey[0]


def test_image_look_up_agrees_with_single_values() -> None:
    table = band_table("ir_cut")
    temperatures = np.array([[900.0, 1450.0], [1999.6, 9999.0]], dtype=np.float32)
    looked_up = table.image(temperatures)
    assert looked_up.shape == (2, 2, 3)
    assert looked_up[0, 1] == pytest.approx(table.at(1450))
    assert looked_up[1, 0] == pytest.approx(table.at(2000))
    assert looked_up[1, 1] == pytest.approx(table.values[-1])


def test_infrared_cut_removes_near_infrared() -> None:
    wavelength = np.array([850.0])
    assert sensor_response(wavelength, ir_cut=True).max() < 1e-6
    assert sensor_response(wavelength, ir_cut=False).min() > 0.1


def test_unknown_response_is_refused() -> None:
    with pytest.raises(InputError, match="allowed are eye, ir_cut, no_ir_cut"):
        band_table("infrared")
