"""One seed for everything; every random part draws from its own generator, derived from its name.

So a part that draws more or fewer numbers never changes what another part draws.
"""

import zlib

import numpy as np


def derive(seed: int, part: str) -> int:
    """A 32-bit seed for the part of that name."""
    return int(np.random.SeedSequence([seed, zlib.crc32(part.encode())]).generate_state(1)[0])


def generator(seed: int, part: str) -> np.random.Generator:
    """A NumPy generator for the part of that name, the same for the same seed on every machine."""
    return np.random.default_rng(derive(seed, part))
