"""What one process does for a comparison: look at frames, train in a fold, judge its test frames."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kilnsense.bundle import load_bundle
from kilnsense.classify.familiarity import held_out_signals
from kilnsense.compare.entrants import entrants, judge_fold
from kilnsense.compare.frames import Compared, read_compared
from kilnsense.compare.looked import (
    LookedFold,
    Seen,
    content_key,
    read_looked,
    read_seen,
    write_looked,
    write_seen,
)
from kilnsense.compare.plan import Fold, plan_folds
from kilnsense.compare.result import FoldResult, Points, write_result
from kilnsense.config import CompareConfig
from kilnsense.data.labelled import Track
from kilnsense.data.splits import grouped_folds, usable_folds
from kilnsense.errors import ConfigError, InputError
from kilnsense.features.descriptors import split_blocks
from kilnsense.recogniser import Recogniser, Sight, embed, join, judged_mask, look, open_recogniser
from kilnsense.record.plots import project
from kilnsense.seeds import generator
from kilnsense.segment.codebook import Codebook, learn_codebook
from kilnsense.training.crossfit import Fold as InnerFold
from kilnsense.training.fit_rows import Rows
from kilnsense.training.learn import encode_of, train_networks
from kilnsense.training.threads import limited_threads
from kilnsense.training.trial import look_all
from kilnsense.types import Embeddings

CHUNK = 64
"""Frames that one job looks at, where the networks are kept."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Places:
    """Where a comparison keeps its files.

    Attributes:
        run: folder of the run, with ``folds/`` and ``checkpoints/``.
        cache: folder of what is found again by its content.
        bundle: folder of the bundle whose networks are kept; None: they are trained.
    """

    run: Path
    cache: Path
    bundle: Path | None

    def result(self, fold: Fold) -> Path:
        """Of a fold that was judged."""
        return self.run / "folds" / f"{fold.name}.safetensors"


@dataclass(frozen=True, eq=False)
class Ready:
    """What all jobs of a process share.

    Attributes:
        settings, places: of the comparison.
        compared, folds: the frames and how they are split.
        recogniser: of the bundle, where its networks are kept.
        known: how many of the frames that bundle was trained on.
    """

    settings: CompareConfig
    places: Places
    compared: Compared
    folds: tuple[Fold, ...]
    recogniser: Recogniser | None
    known: int


@dataclass(frozen=True)
class Look:
    """A job: look at frames start..stop-1, in the regions of the bundle, or of all frames."""

    start: int
    stop: int


@dataclass(frozen=True)
class Judge:
    """A job: train and judge the fold of that number in the plan."""

    fold: int


def prepare(settings: CompareConfig, places: Places, track: Track = iter) -> Ready:
    """Reads the frames, once in each process; nothing is trained yet."""
    compared = read_compared(settings, track=track)
    folds = plan_folds(settings, compared)
    if places.bundle is None:
        return Ready(settings, places, compared, folds, None, 0)
    bundle = load_bundle(places.bundle)
    learned = {row.sha256 for row in bundle.gallery}
    known = sum(frame.sha256 in learned for frame in compared.data.frames)
    return Ready(settings, places, compared, folds, open_recogniser(bundle), known)


def work(ready: Ready, job: Look | Judge, say: Say) -> None:
    """Does one job and leaves its file; says a word after each step of it."""
    with limited_threads(ready.settings.base.training.threads):
        if isinstance(job, Look):
            _look_at(ready, job)
            say("looked")
            return
        fold = ready.folds[job.fold]
        looked, reused = _looked_fold(ready, fold, say)
        said = {}
        for name in entrants(ready.settings):
            try:
                said[name] = judge_fold(name, ready.settings, looked)
            except InputError as error:
                raise InputError(f"{fold.name}, {name}: {error}") from error
            say(name)
        points = (
            _points(ready.settings, looked, ready.compared.data.labels[fold.test]) if not job.fold else None
        )
        result = FoldResult(said, looked.seconds, reused, points)
        write_result(ready.places.result(fold), result, fingerprint=ready.compared.fingerprint)


def steps_of_fold(settings: CompareConfig) -> int:
    """How often `work` speaks in a fold that trains all its networks; reused ones are not spoken of."""
    networks = settings.base.decide.folds + 1 if settings.base.training.enabled and not settings.frozen else 0
    return networks + len(entrants(settings))


def look_jobs(ready: Ready) -> list[Look]:
    """What is left of looking at all frames: in portions where regions are known, else at once."""
    return [job for job in _portions(ready) if read_seen(seen_path(ready, job)) is None]


def _portions(ready: Ready) -> list[Look]:
    frames = len(ready.compared.data)
    size = CHUNK if ready.recogniser is not None else frames
    return [Look(start, min(start + size, frames)) for start in range(0, frames, size)]


def seen_path(ready: Ready, job: Look) -> Path:
    """Where a `Look` leaves its frames."""
    model = ready.recogniser.model_id if ready.recogniser is not None else "regions of all frames"
    key = content_key(ready.settings.base, model, ready.compared.fingerprint, job.start, job.stop)
    return ready.places.cache / f"frames-{key}.safetensors"


def seen_frames(ready: Ready) -> Seen:
    """All frames as the `Look` jobs left them.

    Raises:
        ConfigError: the files are gone.
    """
    parts = []
    for job in _portions(ready):
        path = seen_path(ready, job)
        part = read_seen(path)
        if part is None:
            raise ConfigError(f"--cache {path}: was taken away while it was needed; run again")
        parts.append(part)
    embeddings = [part.embeddings for part in parts if part.embeddings is not None]
    joined = None
    if embeddings:
        values, present = ([getattr(one, name) for one in embeddings] for name in ("values", "present"))
        joined = Embeddings(embeddings[0].names, np.concatenate(values), np.concatenate(present))
    descriptors = np.concatenate([part.descriptors for part in parts])
    return Seen(descriptors, tuple(quality for part in parts for quality in part.qualities), joined)


def _look_at(ready: Ready, job: Look) -> None:
    config, data = ready.settings.base, ready.compared.data
    frames = data.frames[job.start : job.stop]
    if ready.recogniser is None:
        codebook = learn_codebook(
            frames,
            config.segment,
            mask_of=lambda frame: judged_mask(frame, config),
            rng=generator(config.seed, "codebook"),
        )
    else:
        codebook = ready.recogniser.codebook
    sights = tuple(look(frame, codebook, config) for frame in frames)
    embeddings = None if ready.recogniser is None else embed(sights, ready.recogniser.encode, config)
    write_seen(seen_path(ready, job), _seen(sights, embeddings))


def _seen(sights: tuple[Sight, ...], embeddings: Embeddings | None) -> Seen:
    descriptors = np.stack([sight.descriptors for sight in sights])
    return Seen(descriptors, tuple(sight.quality for sight in sights), embeddings)


def _looked_fold(ready: Ready, fold: Fold, say: Say) -> tuple[LookedFold, bool]:
    """The fold after its slow part, and whether that was found in the cache."""
    settings, data = ready.settings, ready.compared.data
    if ready.recogniser is not None:
        return _frozen_fold(ready, ready.recogniser.codebook, fold), True
    facts = ([data.frames[row].sha256, data.names[row], data.groups[row]] for row in fold.train)
    judged = [data.frames[row].sha256 for row in fold.test]
    key = content_key(settings.base, settings.base.classes, list(facts), judged, fold.repeat)
    path = ready.places.cache / f"fold-{key}.safetensors"
    if (found := read_looked(path, settings.base)) is not None:
        return found, True
    start = time.perf_counter()
    config = settings.base.model_copy(update={"seed": settings.base.seed + fold.repeat})
    checkpoints = ready.places.run / "checkpoints" / fold.name
    trained = train_networks(config, data.subset(fold.train), checkpoints=checkpoints, say=say)
    sights = look_all(data.subset(fold.test), trained.rows.codebook, config)
    test = _seen(sights, embed(sights, encode_of(trained.final), config))
    looked = LookedFold(trained.rows, test, time.perf_counter() - start)
    write_looked(path, looked)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return looked, False


def _frozen_fold(ready: Ready, codebook: Codebook, fold: Fold) -> LookedFold:
    """A fold on the bundle's regions and networks; only what stands on top of them is fitted in it."""
    config, data = ready.settings.base, ready.compared.data
    seen = seen_frames(ready)
    names, groups, labels = data.names[fold.train], data.groups[fold.train], data.labels[fold.train]
    own = seen.rows(fold.train)
    count = usable_folds(names.tolist(), groups.tolist(), config.decide.folds)
    chance = generator(config.seed + fold.repeat, "folds")
    inner = grouped_folds(names.tolist(), groups.tolist(), folds=count, rng=chance)
    blocks = split_blocks(own.descriptors, config.segment.names)
    rows = Rows(
        codebook=codebook,
        labels=labels,
        groups=groups,
        descriptors=own.descriptors,
        qualities=own.qualities,
        folds=tuple(InnerFold(train, test, own.embeddings) for train, test in inner),
        embeddings=own.embeddings,
        signals=held_out_signals(blocks, groups.tolist(), labels),
    )
    return LookedFold(rows, seen.rows(fold.test), 0.0)


def _points(settings: CompareConfig, fold: LookedFold, labels: np.ndarray) -> Points:
    """Training and test frames of a fold in the plane of most variance."""
    fit, _ = join(fold.rows.descriptors, fold.rows.embeddings, settings.base)
    held, _ = join(fold.test.descriptors, fold.test.embeddings, settings.base)
    branches = [stop for name, _, stop in fit.blocks if not name.startswith("descriptors")]
    width = branches[-1] if branches else fit.values.shape[1]
    xy, shares = project(np.concatenate([fit.values[:, :width], held.values[:, :width]]))
    return Points(
        xy=xy,
        labels=np.concatenate([fold.rows.labels, labels]),
        held_out=np.arange(len(xy)) >= len(fit.values),
        shares=shares,
        what="embeddings" if branches else "descriptors",
    )
