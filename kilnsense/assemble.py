"""The composition root: the one place that knows every table of parts and turns a config into objects."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from kilnsense.classify.models import Classifier, build_classifier
from kilnsense.config import Config, MetricConfig
from kilnsense.errors import ConfigError
from kilnsense.features.fuse import FUSERS, Evidence, build_fuser
from kilnsense.metric.distances import DISTANCES, Distance, squared
from kilnsense.metric.losses import LOSSES, Loss
from kilnsense.metric.margins import Margin
from kilnsense.metric.miners import MINERS, Miner
from kilnsense.metric.objective import Mining, Objective
from kilnsense.metric.pair_miners import PAIR_MINERS, PairMiner
from kilnsense.nets.branches import Encoder, EncoderPlan, build_encoder, check_plan
from kilnsense.parts import build, pick
from kilnsense.seeds import derive
from kilnsense.types import Features

AS_DRAWN = "as_drawn"
"""The miner, of triplets and of pairs, that takes them as the batch was drawn."""

_ROWS = {"triplets": 3, "pairs": 2}
"""Rows of a batch that one tuple takes, where batches are drawn tuple by tuple."""


def check_parts(config: Config) -> None:
    """Checks every name and option of a part before any work is done.

    Raises:
        ConfigError: an unknown part or option, or parts that do not go together.
    """
    check_plan(_encoder_plan(config))
    make_distance(config)
    build_objective(config.metric)
    _check_views(config)
    pick(FUSERS, config.fusion.kind, kind="fusion.kind")
    make_classifier(config)()
    if not config.training.enabled and not config.fusion.descriptors:
        raise ConfigError(
            "training.enabled and fusion.descriptors are both false: nothing is left to judge by"
        )


def build_objective(config: MetricConfig) -> Objective:
    """The objective that a config describes.

    Without a margin it is the loss's own for the distance. The options of the miner go to `miner` alone; a
    `first_miner` has its defaults. A loss over classes leaves miners and margins alone; a miner's
    name must still be known, or empty.

    Raises:
        ConfigError: an unknown part or option, a miner of another kind of loss, a first miner without epochs
            or the reverse, a margin below 0, a `margin_by` that is no colour difference, a distance that is
            squared twice, or a loss over classes across views.
    """
    distance = _distance(config)
    loss = build(LOSSES, config.loss, config.loss_options, kind="metric.loss")
    if loss.over == "classes" and config.views == "across":
        raise ConfigError(
            f"metric.views: got 'across', but loss {config.loss!r} compares no two samples; set metric.views "
            "to within, or take a loss over pairs or triplets"
        )
    mining = _mining(loss, config.miner, config.miner_options, kind="metric.miner")
    first = _mining(loss, config.first_miner, {}, kind="metric.first_miner") if config.first_miner else mining
    if (config.first_miner != "") != (config.first_epochs > 0):
        raise ConfigError(
            f"metric.first_miner: got {config.first_miner!r} with metric.first_epochs {config.first_epochs}, "
            "which changes nothing; give a miner and the number of its epochs, or neither"
        )
    return Objective(
        distance=distance,
        loss=loss,
        mining=mining,
        margin=Margin(
            loss.default_margin(distance) if config.margin is None else config.margin, config.margin_end
        ),
        first=first,
        first_epochs=config.first_epochs,
        margin_by=_colour_difference(config.margin_by) if config.margin_by else None,
        across=config.views == "across",
        origin=config.model_dump_json(),
    )


def _mining(loss: Loss, name: str, options: Mapping[str, object], *, kind: str) -> Mining:
    if loss.over == "classes" and not name:
        return Mining(None)
    tables: dict[str, Mapping[str, Callable[..., Miner | PairMiner]]] = {
        "triplets": MINERS,
        "pairs": PAIR_MINERS,
        "classes": {**PAIR_MINERS, **MINERS},
    }
    miner = build(tables[loss.over], name, options, kind=f"{kind} (loss {loss.name!r} is over {loss.over})")
    if loss.over == "classes":  # the name was checked, the miner is of no use
        return Mining(None)
    return Mining(miner, tuples=_ROWS[loss.over] if name == AS_DRAWN else 0)


def _colour_difference(name: str) -> Distance:
    colours = {key: builder for key, builder in DISTANCES.items() if builder().takes == "palette"}
    return build(colours, name, {}, kind="metric.margin_by")


def _check_views(config: Config) -> None:
    views = config.branches.views
    if config.metric.views == "across" and len(views) < 2:
        raise ConfigError(
            f"metric.views 'across': compares two kinds of view, got {', '.join(views)}; "
            "name two or more in branches.views, or set metric.views: within"
        )


def make_distance(config: Config) -> Distance:
    """The distance that is trained for, squared where that is asked for. Raises ConfigError."""
    distance = _distance(config.metric)
    distance.require(config.branches.head, where="branches.head")
    return distance


def _distance(config: MetricConfig) -> Distance:
    distance: Distance = build(DISTANCES, config.distance, {}, kind="metric.distance")
    if config.squared and config.distance == "squared_euclidean":
        raise ConfigError(
            "metric.squared: got true with metric.distance 'squared_euclidean', which is squared already; "
            "set metric.squared: false, or metric.distance: euclidean"
        )
    return squared(distance) if config.squared else distance


def make_encoder(config: Config, *, part: str = "network") -> Encoder:
    """A fresh encoder; its weights depend on the seed and on `part` alone."""
    chance = torch.Generator().manual_seed(derive(config.seed, part))
    return build_encoder(_encoder_plan(config), generator=chance)


def _encoder_plan(config: Config) -> EncoderPlan:
    branches = config.branches
    return EncoderPlan(
        views=branches.views,
        trunk=branches.trunk,
        sharing=branches.sharing,
        pretrained=branches.pretrained,
        weights=branches.weights,
        pool=branches.pool,
        crop=branches.size if branches.mode == "crop" else 0,
        hidden=branches.hidden,
        dropout=branches.dropout,
        head=branches.head,
        dimensions=branches.dimensions,
        normalise=branches.normalise,
        colours=branches.colours,
        residual=branches.residual,
    )


def make_classifier(config: Config) -> Callable[[], Any]:
    """A maker of unfitted classifiers; raises ConfigError when called with a wrong kind or option."""
    kind, options, seed = config.classifier.kind, config.classifier.options, derive(config.seed, "classifier")
    return lambda: build_classifier(kind, options, seed=seed)


def make_fuser(config: Config, features: Features, *, evidence: Evidence | None) -> Classifier:
    """An unfitted fuser over the blocks of `features`, with the configured classifier inside."""
    return build_fuser(
        config.fusion.kind,
        blocks=features.blocks,
        classifier=make_classifier(config),
        components=config.fusion.components,
        evidence=evidence,
    )
