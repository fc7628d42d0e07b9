"""The composition root: the one place that knows every table of parts and turns a config into objects."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from kilnsense.classify.models import Classifier, build_classifier
from kilnsense.config import Config
from kilnsense.errors import ConfigError
from kilnsense.features.fuse import FUSERS, Evidence, build_fuser
from kilnsense.metric.distances import DISTANCES, Distance, squared
from kilnsense.metric.losses import LOSSES
from kilnsense.metric.miners import MINERS, Miner
from kilnsense.metric.pair_miners import PAIR_MINERS, PairMiner
from kilnsense.nets.branches import Encoder, EncoderPlan, build_encoder, check_plan
from kilnsense.parts import build, pick
from kilnsense.seeds import derive
from kilnsense.types import Features


def check_parts(config: Config) -> None:
    """Checks every name and option of a part before any work is done.

    Raises:
        ConfigError: an unknown part or option, or parts that do not go together.
    """
    check_plan(_encoder_plan(config))
    make_distance(config)
    _check_metric(config)
    pick(FUSERS, config.fusion.kind, kind="fusion.kind")
    make_classifier(config)()
    if not config.training.enabled and not config.fusion.descriptors:
        raise ConfigError(
            "training.enabled and fusion.descriptors are both false: nothing is left to judge by"
        )


def _check_metric(config: Config) -> None:
    """Loss, miners and margin: what is not used by the loss is not looked at."""
    metric = config.metric
    loss = build(LOSSES, metric.loss, metric.loss_options, kind="metric.loss")
    if metric.views == "across" and len(config.branches.views) < 2:
        raise ConfigError(
            f"metric.views 'across': compares two kinds of view, got {', '.join(config.branches.views)}; "
            "name two or more in branches.views, or set metric.views: within"
        )
    if loss.over == "classes":
        if metric.views == "across":
            raise ConfigError(
                f"metric.views 'across': loss {metric.loss!r} compares no samples; set metric.views: within, "
                "or take a loss over pairs or triplets"
            )
        return
    miners: Mapping[str, Callable[..., Miner | PairMiner]] = (
        MINERS if loss.over == "triplets" else PAIR_MINERS
    )
    where = f"(loss {metric.loss!r} is over {loss.over})"
    build(miners, metric.miner, metric.miner_options, kind=f"metric.miner {where}")
    if metric.first_miner:
        build(miners, metric.first_miner, {}, kind=f"metric.first_miner {where}")
    if metric.margin_by:
        colours = {name: make for name, make in DISTANCES.items() if make().takes == "palette"}
        build(colours, metric.margin_by, {}, kind="metric.margin_by")


def make_distance(config: Config) -> Distance:
    """The distance that is trained for, squared where that is asked for. Raises ConfigError."""
    distance: Distance = build(DISTANCES, config.metric.distance, {}, kind="metric.distance")
    distance.require(config.branches.head, where="branches.head")
    return squared(distance) if config.metric.squared else distance


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
