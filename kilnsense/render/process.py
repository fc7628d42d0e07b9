"""The slow side of a kiln: burning states, how they follow one another, and how cues wander.

Every value is a function of time alone, so that any frame of a run can be drawn without its predecessors,
and a run has no end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kilnsense.errors import InputError

# A step change of the burning zone is half done after about 22 minutes; feed disturbances last about 20.
LAG_S = 22 * 60 / np.log(2)
FEED_CORRELATION_S = 20 * 60.0
DEFAULT_STATES = ("under", "normal", "over")
COLDEST_C, HOTTEST_C = 1280.0, 1600.0
_GAP_K = 30.0
_MODES = 16


@dataclass(frozen=True)
class StateBand:
    """Bed temperatures (degrees Celsius, both ends included) that surely belong to a state."""

    name: str
    low_c: float
    high_c: float

    @property
    def middle_c(self) -> float:
        """Centre of the band."""
        return (self.low_c + self.high_c) / 2


def state_bands(names: Sequence[str]) -> tuple[StateBand, ...]:
    """Temperature bands for state names ordered from cold to hot; 30 K between neighbours are ambiguous.

    Three names get the bands of cement clinker (1280-1390, 1420-1480, 1510-1600); any other number of names
    shares 1280-1600 evenly. Raises InputError for fewer than two, more than eight, or repeated names.
    """
    if not 2 <= len(names) <= 8 or len(set(names)) != len(names):
        raise InputError(f"states: got {list(names)}; give two to eight different names, coldest first")
    if len(names) == 3:
        edges = [(1280.0, 1390.0), (1420.0, 1480.0), (1510.0, 1600.0)]
    else:
        width = (HOTTEST_C - COLDEST_C - _GAP_K * (len(names) - 1)) / len(names)
        starts = [COLDEST_C + i * (width + _GAP_K) for i in range(len(names))]
        edges = [(start, start + width) for start in starts]
    return tuple(StateBand(name, low, high) for name, (low, high) in zip(names, edges, strict=True))


def state_at(bands: Sequence[StateBand], temperature_c: float) -> tuple[str, bool]:
    """Name of the nearest band and whether the temperature lies between two bands (ambiguous)."""

    def distance(band: StateBand) -> float:
        return max(band.low_c - temperature_c, temperature_c - band.high_c, 0.0)

    nearest = min(bands, key=distance)
    inside = bands[0].low_c <= temperature_c <= bands[-1].high_c
    return nearest.name, inside and distance(nearest) > 0


@dataclass(frozen=True)
class SlowNoise:
    """A smooth random function of time with zero mean and unit variance: a sum of fixed waves."""

    rates: tuple[float, ...]  # rad/s
    phases: tuple[float, ...]
    weights: tuple[float, ...]

    def at(self, t: float) -> float:
        """Value at time t in seconds."""
        waves = np.cos(np.array(self.rates) * t + np.array(self.phases))
        return float(np.array(self.weights) @ waves)


def slow_noise(rng: np.random.Generator, correlation_s: float, *, lag_s: float = 0.0) -> SlowNoise:
    """Draw a function whose autocorrelation is about exp(-t / correlation_s).

    lag_s: pass it through a first-order lag of that time constant as well (still unit variance).
    """
    quantiles = (np.arange(_MODES) + rng.uniform(size=_MODES)) / _MODES
    rates = np.tan(np.pi / 2 * 0.97 * quantiles) / correlation_s  # Lorentzian spectrum
    weights = 1 / np.sqrt(1 + (rates * lag_s) ** 2)
    weights *= np.sqrt(2 / np.sum(weights**2))
    phases = rng.uniform(0, 2 * np.pi, _MODES)
    return SlowNoise(tuple(rates.tolist()), tuple(phases.tolist()), tuple(weights.tolist()))


@dataclass(frozen=True)
class Schedule:
    """Target temperatures and how long each is held; after the last one the schedule starts again."""

    targets_c: tuple[float, ...]
    holds_s: tuple[float, ...]

    def at(self, t: float) -> float:
        """Bed temperature at time t (seconds) as a first-order answer to the targets."""
        period = sum(self.holds_s)
        cycle = int(t // period)
        value = self.targets_c[0 if cycle == 0 else -1]
        for number in range(max(0, cycle - 1), cycle + 1):  # older cycles have faded out
            left = min(t - number * period, period)
            for target, hold in zip(self.targets_c, self.holds_s, strict=True):
                value = target + (value - target) * float(np.exp(-min(hold, left) / LAG_S))
                left -= hold
                if left <= 0:
                    break
        return value


def draw_schedule(rng: np.random.Generator, bands: Sequence[StateBand]) -> Schedule:
    """Four holds of 1.4 to 2.6 hours, neighbours in different states; three runs in ten miss an outer one."""
    used = np.arange(len(bands))
    if len(bands) > 2 and rng.uniform() < 0.3:
        used = used[1:] if rng.uniform() < 0.5 else used[:-1]
    order: list[int] = []
    while len(order) < 4:
        order += [int(i) for i in rng.permutation(used) if not order or i != order[-1]]
    order = order[:4]
    # Aim past the middle of the outer bands, because the answer to a step never quite arrives.
    targets = []
    for i in order:
        edge = -1.0 if i == 0 else 1.0 if i == len(bands) - 1 else 0.0
        half = (bands[i].high_c - bands[i].low_c) / 2
        targets.append(bands[i].middle_c + edge * 0.25 * half + rng.uniform(-0.45, 0.45) * half)
    return Schedule(tuple(float(c) for c in targets), tuple(rng.uniform(5000, 9400, len(order)).tolist()))
