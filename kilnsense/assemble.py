"""The composition root: the one place that knows every table of parts and turns a config into objects."""

from collections.abc import Callable
from typing import Any

import torch

from kilnsense.classify.models import Classifier, build_classifier
from kilnsense.config import Config
from kilnsense.errors import ConfigError
from kilnsense.features.fuse import FUSERS, Evidence, build_fuser
from kilnsense.metric.distances import DISTANCES, Distance
from kilnsense.metric.losses import LOSSES
from kilnsense.metric.miners import MINERS
from kilnsense.nets.branches import Encoder, EncoderPlan, build_encoder
from kilnsense.parts import build, pick
from kilnsense.seeds import derive
from kilnsense.types import Features


def check_parts(config: Config) -> None:
    """Checks every name and option of a part before any work is done.

    Raises:
        ConfigError: an unknown part or option, or a distance that does not fit the head.
    """
    make_distance(config)
    pick(LOSSES, config.metric.loss, kind="metric.loss")
    pick(MINERS, config.metric.miner, kind="metric.miner")
    pick(FUSERS, config.fusion.kind, kind="fusion.kind")
    make_classifier(config)()
    if not config.training.enabled and not config.fusion.descriptors:
        raise ConfigError(
            "training.enabled and fusion.descriptors are both false: nothing is left to judge by"
        )


def make_distance(config: Config) -> Distance:
    """The distance of the triplet loss, checked against the head. Raises ConfigError."""
    distance: Distance = build(DISTANCES, config.metric.distance, {}, kind="metric.distance")
    distance.require(config.branches.head, where="branches.head")
    return distance


def make_encoder(config: Config, *, part: str = "network") -> Encoder:
    """A fresh encoder; its weights depend on the seed and on `part` alone."""
    branches = config.branches
    plan = EncoderPlan(
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
    return build_encoder(plan, generator=torch.Generator().manual_seed(derive(config.seed, part)))


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
