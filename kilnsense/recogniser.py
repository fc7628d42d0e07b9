"""The whole way of a picture: from decoded frames to records. Labelling, monitoring and training go this way.

Nothing here needs torch: the networks come as an ONNX file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilnsense.bundle import Bundle, load_bundle
from kilnsense.classify.calibrate import Calibration
from kilnsense.classify.decide import decide
from kilnsense.classify.familiarity import Familiarity
from kilnsense.classify.models import class_probabilities
from kilnsense.config import Config
from kilnsense.errors import BundleError
from kilnsense.features.descriptors import describe, select_blocks, split_blocks
from kilnsense.features.embed import open_onnx
from kilnsense.features.fuse import to_features
from kilnsense.image.colour import srgb_to_lab
from kilnsense.image.quality import assess
from kilnsense.image.roi import roi_mask
from kilnsense.nets.views import ViewPlan, make_views
from kilnsense.segment.codebook import Codebook, codebook_arrays, codebook_from_arrays
from kilnsense.segment.palette import palette
from kilnsense.segment.regions import regions, segment
from kilnsense.types import (
    Embeddings,
    Failure,
    Features,
    Frame,
    Quality,
    Record,
    Region,
    Scores,
    Segmentation,
    Verdict,
    Views,
)

EMBEDDING = "embedding"
"""Name of the block of all embeddings side by side, the last one that familiarity is judged on."""

Encode = Callable[[Views], Embeddings]
BATCH = 64
"""Frames whose views are in memory together."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What is seen of one frame before any network looks at it.

    Attributes:
        frame, quality, segmentation, regions: see `kilnsense.types`.
        descriptors: (F,) float32, hand-made colour descriptors of the regions.
    """

    frame: Frame
    quality: Quality
    segmentation: Segmentation
    regions: tuple[Region, ...]
    descriptors: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A trained model, ready to judge frames.

    Attributes:
        config: what it was trained with.
        model_id: identity of its bundle.
        codebook: what the regions mean.
        encode: views to embeddings, or None for a model of descriptors alone.
        classifier: fitted estimator on fused rows, with `predict_proba`.
        calibration: out-of-fold temperature of its probabilities.
        familiarity: distance from the training frames, in units of the calibrated threshold.
        min_confidence: calibrated probability below which no state is named.
    """

    config: Config
    model_id: str
    codebook: Codebook
    encode: Encode | None
    classifier: Any
    calibration: Calibration
    familiarity: Familiarity
    min_confidence: float


def open_recogniser(bundle: Bundle | Path, *, threads: int = 1) -> Recogniser:
    """Makes a bundle, or the folder of one, ready to judge frames.

    Raises:
        BundleError: the folder is no whole, unaltered bundle of a known format, or lacks what judging needs.
    """
    if isinstance(bundle, Path):
        bundle = load_bundle(bundle)
    encode = None
    if bundle.encoder_onnx is not None:
        encode = open_onnx(bundle.encoder_onnx, names=bundle.config.branches.views, threads=threads)
    try:
        return Recogniser(
            config=bundle.config,
            model_id=bundle.model_id,
            codebook=codebook_from_arrays(bundle.arrays, bundle.config.segment.names),
            encode=encode,
            classifier=bundle.classifier,
            calibration=_calibration(bundle.arrays),
            familiarity=Familiarity.from_arrays(bundle.arrays),
            min_confidence=bundle.thresholds["min_confidence"],
        )
    except (KeyError, IndexError) as error:
        raise BundleError(f"bundle {bundle.model_id}: holds no {error}; train again") from error


def to_arrays(recogniser: Recogniser) -> dict[str, NDArray[Any]]:
    """What a bundle stores of a recogniser as named arrays; `open_recogniser` reads them back."""
    calibration = recogniser.calibration
    return {
        **codebook_arrays(recogniser.codebook),
        "calibration.temperature": np.array([calibration.temperature]),
        "calibration.bias": np.array(calibration.bias),
        "calibration.doubt": np.array([calibration.doubt]),
        **recogniser.familiarity.to_arrays(),
    }


def _calibration(arrays: Mapping[str, NDArray[Any]]) -> Calibration:
    bias = tuple(float(value) for value in arrays["calibration.bias"])
    temperature, doubt = (float(arrays[f"calibration.{name}"][0]) for name in ("temperature", "doubt"))
    return Calibration(temperature, bias, doubt)


def recognise(items: Sequence[Frame | Failure], recogniser: Recogniser) -> list[Record]:
    """Judges a batch; every item, good or bad, becomes exactly one record, in the same order."""
    sights = [look(item, recogniser.codebook, recogniser.config) for item in items if isinstance(item, Frame)]
    verdicts = iter(judge(sights, recogniser))
    return [
        _failure_record(item, recogniser.model_id)
        if isinstance(item, Failure)
        else to_record(item, next(verdicts), recogniser.model_id)
        for item in items
    ]


def judge(sights: Sequence[Sight], recogniser: Recogniser) -> list[Verdict]:
    """Verdicts of frames that were looked at, one each, in order."""
    if not sights:
        return []
    qualities = [sight.quality for sight in sights]
    return decide(score(sights, recogniser), qualities, min_confidence=recogniser.min_confidence)


def score(sights: Sequence[Sight], recogniser: Recogniser) -> Scores:
    """Calibrated probabilities and unfamiliarity of frames that were looked at, whatever their quality."""
    return score_rows(*represent(sights, recogniser.encode, recogniser.config), recogniser)


def score_rows(
    features: Features, blocks: Mapping[str, NDArray[np.float32]], recogniser: Recogniser
) -> Scores:
    """As `score`, of fused rows and the blocks that familiarity is judged on; no frame is needed for it."""
    classes = recogniser.config.classes
    raw = class_probabilities(recogniser.classifier, features.values, classes=len(classes))
    return Scores(classes, recogniser.calibration.apply(raw), recogniser.familiarity.score(blocks))


def judged_mask(frame: Frame, config: Config) -> NDArray[np.bool_]:
    """(H, W) True where the region of interest of the config lets a pixel be judged. Raises ConfigError."""
    height, width = frame.pixels.shape[:2]
    return roi_mask(height, width, roi=config.image.roi, exclude=config.image.exclude)


def look(frame: Frame, codebook: Codebook, config: Config) -> Sight:
    """Assesses, segments and describes one frame."""
    mask = judged_mask(frame, config)
    quality = assess(frame, config.quality, mask=mask)
    segmentation = segment(frame, codebook, config.segment, mask=mask)
    found = regions(frame, segmentation, min_area=config.segment.min_area)
    return Sight(
        frame=frame,
        quality=quality,
        segmentation=segmentation,
        regions=found,
        descriptors=describe(frame, segmentation, found, mask=mask),
    )


def view(
    frames: Sequence[Frame], segmentations: Sequence[Segmentation], config: Config, *, compared: bool = False
) -> Views:
    """What the branches see of these frames.

    Views hold palettes where the head takes them. With `compared` they do so too where training compares
    frames by their colours (`metric.margin_by`); it is only then that they are looked at.
    """
    branches = config.branches
    wanted = branches.head == "palette" or (compared and bool(config.metric.margin_by))
    plan = ViewPlan(
        names=tuple(branches.views),
        mode=branches.mode,
        size=branches.size,
        colours=branches.colours if wanted else 0,
        min_area=config.segment.min_area,
    )
    return make_views(frames, segmentations, plan, palette=_pixel_palette)


def _pixel_palette(pixels: NDArray[np.uint8], colours: int) -> NDArray[np.float32]:
    return palette(srgb_to_lab(pixels), colours)


def represent(
    sights: Sequence[Sight], encode: Encode | None, config: Config
) -> tuple[Features, dict[str, NDArray[np.float32]]]:
    """Fused rows for the classifier, and the blocks that familiarity is judged on."""
    descriptors = np.stack([sight.descriptors for sight in sights])
    return join(descriptors, embed(sights, encode, config), config)


def embed(sights: Sequence[Sight], encode: Encode | None, config: Config) -> Embeddings | None:
    """What the networks say of frames that were looked at; None where there are none."""
    if encode is None:
        return None
    parts = []
    for start in range(0, len(sights), BATCH):
        batch = sights[start : start + BATCH]
        parts.append(
            encode(view([sight.frame for sight in batch], [sight.segmentation for sight in batch], config))
        )
    return Embeddings(
        names=parts[0].names,
        values=np.concatenate([part.values for part in parts]),
        present=np.concatenate([part.present for part in parts]),
    )


def join(
    descriptors: NDArray[np.float32], embeddings: Embeddings | None, config: Config
) -> tuple[Features, dict[str, NDArray[np.float32]]]:
    """As `represent`, of (N, F) descriptors and embeddings that were computed before."""
    blocks = split_blocks(descriptors, config.segment.names)
    if embeddings is not None:
        blocks[EMBEDDING] = embeddings.values.reshape(len(descriptors), -1)
    if not config.fusion.descriptors:
        return to_features(embeddings, None), blocks
    chosen, parts = select_blocks(descriptors, config.segment.names)
    return to_features(embeddings, chosen, descriptor_blocks=parts), blocks


def to_record(frame: Frame, verdict: Verdict, model_id: str) -> Record:
    """The row of a frame that was judged."""
    return Record(
        path=frame.source,
        sha256=frame.sha256,
        width=frame.width,
        height=frame.height,
        status="ok" if verdict.state is not None else "review",
        reason=verdict.reason,
        verdict=verdict,
        captured_at=frame.captured_at,
        model_id=model_id,
    )


def _failure_record(failure: Failure, model_id: str) -> Record:
    return Record(
        path=failure.source,
        sha256=failure.sha256,
        width=0,
        height=0,
        status="bad",
        reason=failure.reason,
        verdict=None,
        captured_at="",
        model_id=model_id,
        message=failure.message,
    )
