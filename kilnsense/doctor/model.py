"""A bundle: whole, can be opened, judges a picture."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kilnsense.bundle import load_bundle
from kilnsense.doctor.findings import Finding, split_advice
from kilnsense.errors import BundleError, KilnsenseError
from kilnsense.golden import golden_fault, has_references
from kilnsense.recogniser import Recogniser, open_recogniser, recognise
from kilnsense.types import Frame


def check_bundle(folder: Path, *, clock: Callable[[], float] = time.perf_counter) -> Iterator[Finding]:
    """Whether a bundle is whole, judges a generated grey frame, and answers its reference frames as ever."""
    advice = "take the bundle again from where it came"
    try:
        bundle = load_bundle(folder)
        recogniser = open_recogniser(bundle)
    except KilnsenseError as error:
        yield Finding("bundle", "fail", *split_advice(error, advice))
        return
    yield Finding("bundle", "ok", f"{bundle.model_id}, whole; classes: {', '.join(bundle.classes)}")
    try:
        _judge(recogniser)  # the first time is slower
        begun = clock()
        said = _judge(recogniser)
        taken = clock() - begun
    except KilnsenseError as error:
        yield Finding("judging", "fail", *split_advice(error, advice))
        return
    yield Finding("judging", "ok", f"a grey frame in {taken * 1e3:.0f} ms ({said})")
    if not has_references(bundle.arrays):
        found = "the bundle holds no reference frames: a computer that computes nonsense is not noticed"
        yield Finding("self-test", "warn", found, "train the model again with this release")
    elif fault := golden_fault(bundle.arrays, recogniser):
        yield Finding("self-test", "fail", *split_advice(BundleError(fault), advice))
    else:
        yield Finding("self-test", "ok", "the reference frames are answered as when the model was made")


def _judge(recogniser: Recogniser) -> str:
    """What the model says of a grey ramp, as wide as it looks at pictures."""
    width = recogniser.config.image.width
    ramp = np.linspace(60, 190, width).astype(np.uint8)
    pixels = np.broadcast_to(ramp[None, :, None], (max(1, width * 3 // 4), width, 3))
    (record,) = recognise([Frame(np.ascontiguousarray(pixels))], recogniser)
    return record.verdict.state or record.reason if record.verdict else record.reason
