"""Every entry of every table is built from its name and keeps the contract of its kind."""

import numpy as np
import pytest
import torch

from kilnsense.assemble import check_parts, make_distance, make_encoder
from kilnsense.classify.models import CLASSIFIERS, build_classifier, class_probabilities
from kilnsense.config import check_config
from kilnsense.features.fuse import FUSERS, Evidence, build_fuser
from kilnsense.metric.distances import DISTANCES, squared
from kilnsense.metric.losses import LOSSES
from kilnsense.metric.miners import MINERS
from kilnsense.metric.pair_miners import PAIR_MINERS
from kilnsense.metric.ranking import relate
from kilnsense.nets.backbones import BACKBONES
from kilnsense.nets.heads import HEADS
from kilnsense.nets.pooling import POOLS

BLOCKS = (("flame", 0, 4), ("bed", 4, 8), ("descriptors", 8, 11))
HEAD_OF = {name: builder().takes for name, builder in DISTANCES.items()}


def test_every_table_has_entries() -> None:
    for table in (DISTANCES, LOSSES, MINERS, PAIR_MINERS, CLASSIFIERS, FUSERS, BACKBONES, HEADS, POOLS):
        assert len(table) > 0


@pytest.mark.parametrize("name", DISTANCES)
def test_a_distance_is_symmetric_and_zero_for_equals(name: str) -> None:
    config = check_config({"branches": {"head": HEAD_OF[name]}, "metric": {"distance": name}}, origin="test")
    check_parts(config)
    distance = make_distance(config)
    chance = torch.Generator().manual_seed(0)
    palettes = torch.rand(6, 3, 3, generator=chance) * 60 + 20
    x = palettes if distance.takes == "palette" else torch.rand(6, 8, generator=chance)
    table = distance.matrix(x, x)
    assert torch.equal(table, table.T)
    assert table.diagonal().abs().max() == 0
    assert (table + torch.eye(6) > 0).all()


@pytest.mark.parametrize("square", [False, True], ids=["plain", "squared"])
@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_with_every_miner_and_distance_teaches(loss: str, name: str, *, square: bool) -> None:
    distance = squared(DISTANCES[name]()) if square else DISTANCES[name]()
    of = LOSSES[loss]()
    labels = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0])  # in thirds triplets, in halves pairs
    chance = torch.Generator().manual_seed(0)
    x = torch.rand(12, 6, generator=chance)
    x = (x if distance.takes == "vector" else 60 * x.reshape(12, 2, 3)).requires_grad_()
    learned = of.start(6, 2, chance) if of.start else {}
    margin, table = of.default_margin(distance), distance.matrix(x, x)
    chosen = [
        miner()(table, relate(labels), margin=m, generator=chance)
        for miner in {"triplets": MINERS, "pairs": PAIR_MINERS, "classes": {}}[of.over].values()
        for m in (margin, torch.full((12, 12), margin))
    ]
    for given in chosen or [labels]:
        value = of.value(x, given, distance, learned)
        (slope,) = torch.autograd.grad(value, x)
        assert value.item() > 0
        assert torch.isfinite(value)
        assert torch.isfinite(slope).all()
        assert slope.abs().max() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_has_a_margin_where_its_value_changes_with_it(name: str) -> None:
    of, distance, labels = LOSSES[name](), DISTANCES["euclidean"](), torch.arange(8) % 2
    chance = torch.Generator().manual_seed(0)
    x = torch.rand(8, 4, generator=chance)
    learned = of.start(4, 2, chance) if of.start else {}
    if of.over == "classes":
        assert not of.has_margin
        return
    miner = (MINERS if of.over == "triplets" else PAIR_MINERS)["all"]()
    low, high = (
        of.value(
            x, miner(distance.matrix(x, x), relate(labels), margin=m, generator=chance), distance, learned
        )
        for m in (0.3, 0.9)
    )
    assert of.has_margin == (low.item() != high.item())


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("trunk", BACKBONES)
def test_an_encoder_of_every_trunk_pool_and_head_differentiates(trunk: str, pool: str, head: str) -> None:
    branches = {"trunk": trunk, "pool": pool, "head": head, "mode": "crop", "size": 32}
    encoder = make_encoder(check_config({"branches": branches | {"views": ["scale:1.0"]}}, origin="test"))
    pixels = torch.randint(0, 256, (2, 1, 32, 32, 3), generator=torch.Generator().manual_seed(0))
    out = encoder(pixels.float(), torch.ones(2, 1, 32, 32), torch.full((2, 1, 5, 3), 50.0))
    assert out.shape[:2] == (2, 1)
    assert torch.isfinite(out).all()
    out.square().sum().backward()
    assert any(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("fuser", FUSERS)
def test_every_fuser_with_every_classifier_gives_probabilities(fuser: str, classifier: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    rows = (rng.normal(0, 0.3, (30, 11)) + labels[:, None]).astype(np.float32)
    opinions = rng.dirichlet((1, 1, 1), (30, 3)) + 2 * np.eye(3)[labels][:, None]
    evidence = Evidence(opinions / opinions.sum(axis=2, keepdims=True), labels)
    model = build_fuser(
        fuser,
        blocks=BLOCKS,
        classifier=lambda: build_classifier(classifier, {}, seed=0),
        components=3,
        evidence=evidence,
    ).fit(rows, labels)
    table = class_probabilities(model, rows, classes=3)
    assert table.shape == (30, 3)
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-9)
    if classifier != "majority":
        assert (table.argmax(axis=1) == labels).mean() > 0.8
