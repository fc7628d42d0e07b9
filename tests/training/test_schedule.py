"""Rates over steps and over layers."""

import numpy as np
import pytest
import torch

from kilnsense.config import TrainingConfig
from kilnsense.nets.branches import EncoderPlan, build_encoder
from kilnsense.training.schedule import build_optimizer, layer_factors, rate_factor, set_rate


def test_the_rate_rises_in_a_line_and_falls_as_half_a_cosine() -> None:
    factors = [rate_factor(step, warmup=4, steps=24, schedule="cosine") for step in range(24)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[-1] == pytest.approx(0.01)
    falling = factors[4:]
    assert falling == sorted(falling, reverse=True)
    assert (falling[9] + falling[10]) / 2 == pytest.approx(0.505)  # a cosine is halfway in the middle


@pytest.mark.parametrize(("schedule", "last", "middle"), [("linear", 0.01, 0.505), ("constant", 1.0, 1.0)])
def test_other_schedules_rise_alike_and_go_their_own_way(schedule: str, last: float, middle: float) -> None:
    factors = [rate_factor(step, warmup=3, steps=24, schedule=schedule) for step in range(24)]
    assert factors[:3] == [pytest.approx(share) for share in (1 / 3, 2 / 3, 1.0)]
    assert factors[3] == 1.0
    assert factors[-1] == pytest.approx(last)
    assert (factors[13] + factors[13]) / 2 == pytest.approx(middle)
    assert np.allclose(np.diff(factors[3:]), factors[4] - factors[3])  # evenly


def test_every_parameter_has_one_rate_and_lower_layers_have_lower_ones() -> None:
    encoder = build_encoder(
        EncoderPlan(("scale:0.5", "scale:1.0"), sharing="separate"), generator=torch.Generator()
    )
    factors = layer_factors(encoder, 0.5)
    assert {id(p) for p, _ in factors} == {id(p) for p in encoder.parameters()}
    assert len(factors) == len(list(encoder.parameters()))
    by_parameter = {id(p): factor for p, factor in factors}
    for trunk in encoder.trunks:
        stages = [by_parameter[id(stage[0].weight)] for stage in trunk.body]
        assert stages == [0.0625, 0.125, 0.25, 0.5]
    assert by_parameter[id(encoder.head.linear.weight)] == 1.0


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd", "rmsprop"])
def test_groups_follow_the_rate_and_norms_are_not_decayed(kind: str) -> None:
    encoder = build_encoder(EncoderPlan(("scale:1.0",)), generator=torch.Generator())
    config = TrainingConfig.model_validate(
        {"optimizer": kind, "layer_decay": 0.5, "learning_rate": 0.1, "weight_decay": 0.3}
    )
    optimizer = build_optimizer(encoder, config)
    set_rate(optimizer, 0.5)
    rates = sorted({round(group["lr"], 6) for group in optimizer.param_groups})
    assert rates == [0.003125, 0.00625, 0.0125, 0.025, 0.05]
    for group in optimizer.param_groups:
        flat = [parameter.ndim == 1 for parameter in group["params"]]
        assert group["weight_decay"] == (0.0 if all(flat) else 0.3)
        assert all(flat) or not any(flat)


def test_what_the_loss_learns_is_trained_at_the_rate_of_the_head() -> None:
    encoder = build_encoder(EncoderPlan(("scale:1.0",)), generator=torch.Generator())
    learned = [torch.nn.Parameter(torch.zeros(3, 4)), torch.nn.Parameter(torch.zeros(3))]
    config = TrainingConfig(layer_decay=0.5, learning_rate=0.1, weight_decay=0.3)
    rates = {
        id(parameter): (group["full_rate"], group["weight_decay"])
        for group in build_optimizer(encoder, config, learned).param_groups
        for parameter in group["params"]
    }
    assert [rates[id(parameter)] for parameter in learned] == [(0.1, 0.3), (0.1, 0.0)]


def test_each_optimiser_is_the_one_that_is_named() -> None:
    encoder = build_encoder(EncoderPlan(("scale:1.0",)), generator=torch.Generator())
    for name in ("adamw", "adam", "sgd", "rmsprop"):
        made = build_optimizer(encoder, TrainingConfig.model_validate({"optimizer": name}))
        assert type(made).__name__.lower() == name
    assert build_optimizer(encoder, TrainingConfig(optimizer="sgd")).defaults["nesterov"]
