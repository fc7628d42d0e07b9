"""The loop learns, stops, goes on after a kill, and says no."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kilnsense.assemble import build_objective
from kilnsense.config import MetricConfig, TrainingConfig
from kilnsense.errors import ConfigError, InputError, SourceError
from kilnsense.nets.branches import Encoder, EncoderPlan, build_encoder
from kilnsense.nets.encode import encode
from kilnsense.training.fit import Examples, FitResult, fit_encoder
from kilnsense.training.history import Epoch

Toy = Callable[..., Examples]
VECTOR = build_objective(MetricConfig())


def new_encoder(**changes: Any) -> Encoder:
    base = {"views": ("region:flame", "scale:1.0"), "dimensions": 8, "colours": 2, "residual": 40.0}
    plan = EncoderPlan(**(base | changes))
    return build_encoder(plan, generator=torch.Generator().manual_seed(3))


def settings(epochs: int = 3, **changes: object) -> TrainingConfig:
    base = {"epochs": epochs, "batches_per_epoch": 4, "samples_per_class": 6, "learning_rate": 5e-3}
    return TrainingConfig.model_validate(base | changes)


def run(encoder: Encoder, examples: Examples, config: TrainingConfig, **rest: object) -> FitResult:
    return fit_encoder(encoder, examples, VECTOR, config=config, seed=7, **rest)  # type: ignore[arg-type]


def state(encoder: Encoder) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in encoder.state_dict().items()}


@pytest.mark.parametrize(
    ("head", "metric"),
    [
        ("vector", MetricConfig()),
        ("palette", MetricConfig(distance="cie76", miner="random_hard")),
        ("palette", MetricConfig(distance="ciede2000", miner="all")),
    ],
)
def test_training_raises_the_accuracy_on_an_unseen_group(toy: Toy, head: str, metric: MetricConfig) -> None:
    encoder = new_encoder(head=head)
    config = settings(8, batches_per_epoch=8)
    result = fit_encoder(encoder, toy(), build_objective(metric), config=config, seed=7)
    assert result.history.epochs[0].accuracy < 0.7
    assert result.best.accuracy > 0.9
    assert result.best.number > 0
    first = result.history.epochs[1]
    assert first.easy + first.semi_hard + first.hard > 0
    assert not encoder.training


@pytest.mark.parametrize(
    ("encoder", "metric", "changes"),
    [
        ({}, {}, {}),
        ({}, {"loss": "weighted_l1_bce", "miner": "hard_negative"}, {"optimizer": "rmsprop"}),
        ({}, {"loss": "softmax"}, {"schedule": "linear", "optimizer": "sgd"}),
        ({}, {"miner": "as_drawn", "margin": 0.1, "margin_end": 0.4}, {"tuples": 9}),
        ({"hidden": (16,), "dropout": 0.4}, {"loss": "contrastive", "miner": "all"}, {}),
        ({"sharing": "separate"}, {"views": "across", "first_miner": "all", "first_epochs": 2}, {}),
        ({"sharing": "separate"}, {"views": "across", "loss": "weighted_l1_bce", "miner": "all"}, {}),
    ],
    ids=["plain", "learned distance", "class layer", "as drawn", "dropout", "across", "across, learned"],
)
def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one(
    toy: Toy, tmp_path: Path, encoder: dict[str, Any], metric: dict[str, Any], changes: dict[str, Any]
) -> None:
    objective = build_objective(MetricConfig.model_validate(metric))
    examples, config = toy(), settings(3, **({"batches_per_epoch": 3} | changes))
    whole, parts, resumed = (new_encoder(**encoder) for _ in range(3))

    def go(net: Encoder, **rest: Any) -> FitResult:
        return fit_encoder(net, examples, objective, config=config, seed=7, **rest)

    want = go(whole)

    def kill(epoch: Epoch) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt("killed")

    with pytest.raises(KeyboardInterrupt, match="killed"):
        go(parts, checkpoint=tmp_path / "fit", progress=kill)
    seen: list[int] = []
    got = go(resumed, checkpoint=tmp_path / "fit", progress=lambda e: seen.append(e.number))
    assert seen == [2, 3]
    np.testing.assert_equal(state(resumed), state(whole))
    for one, other in zip(got.learned, want.learned, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    forgotten = [
        tuple(replace(e, seconds=0.0, train_seconds=0.0) for e in r.history.epochs) for r in (want, got)
    ]
    assert forgotten[0] == forgotten[1]
    assert list(tmp_path.iterdir()) == [tmp_path / "fit"]


@pytest.mark.parametrize(
    ("metric", "least"),
    [
        ({"loss": "triplet_soft", "miner": "batch_hard"}, 0.85),
        ({"loss": "triplet_cosine", "miner": "random_hard"}, 0.85),
        ({"loss": "ratio", "miner": "random"}, 0.85),
        ({"miner": "as_drawn"}, 0.85),
        ({"squared": True, "miner": "all", "margin_by": "cie76"}, 0.85),
        ({"loss": "contrastive", "miner": "hard_negative"}, 0.85),
        ({"loss": "energy", "miner": "all"}, 0.85),
        ({"loss": "weighted_l1_bce", "miner": "all"}, 0.85),
        ({"loss": "softmax"}, 0.85),
        ({"views": "across"}, 0.8),
        ({"views": "across", "loss": "contrastive", "miner": "as_drawn"}, 0.8),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_every_loss_learns(toy: Toy, metric: dict[str, Any], least: float) -> None:
    encoder = new_encoder(sharing="separate" if "views" in metric else "shared")
    config = settings(8, batches_per_epoch=8, tuples=9)
    objective = build_objective(MetricConfig.model_validate(metric))
    result = fit_encoder(encoder, toy(), objective, config=config, seed=7)
    assert result.history.epochs[0].accuracy < 0.75
    assert result.best.accuracy > least


def test_what_the_loss_learns_is_trained_and_handed_back(toy: Toy) -> None:
    objective = build_objective(MetricConfig(loss="weighted_l1_bce", miner="all"))
    result = fit_encoder(new_encoder(), toy(), objective, config=settings(6), seed=7)
    first = objective.start(8, 3, 2, seed=7)
    assert result.best.number > 0
    for before, after in zip(first, result.learned, strict=True):
        assert not after["weights"].requires_grad
        assert (before["weights"] - after["weights"]).abs().max() > 1e-3


def test_the_history_tells_margins_counts_and_images(toy: Toy) -> None:
    metric = MetricConfig(
        loss="contrastive",
        miner="as_drawn",
        first_miner="hard_negative",
        first_epochs=1,
        margin=0.2,
        margin_end=1.3,
    )
    config = settings(3, classes_per_batch=2, tuples=5)
    history = fit_encoder(new_encoder(), toy(), build_objective(metric), config=config, seed=7).history
    assert [epoch.margin for epoch in history.epochs] == [0.2, *(pytest.approx(m) for m in (0.5, 0.9, 1.3))]
    assert [epoch.images for epoch in history.epochs] == [0, 48, 40, 40]
    every, drawn = history.epochs[1], history.epochs[2]
    assert every.inside + every.beyond > every.genuine > 0
    assert 0 < drawn.genuine + drawn.inside + drawn.beyond <= 4 * 5 * 2  # two branches
    assert (every.easy, every.semi_hard, every.hard) == (0, 0, 0)
    assert history.images_per_second > 0
    assert 0 < history.epochs[1].train_seconds < history.epochs[1].seconds


def test_the_rate_goes_by_the_schedule(toy: Toy) -> None:
    rates = [
        run(new_encoder(), toy(), settings(1, schedule=schedule, warmup_epochs=0)).history.epochs[1].rate
        for schedule in ("constant", "linear")
    ]
    assert rates == [5e-3, pytest.approx(5e-5)]


def test_batches_as_drawn_hold_tuples(toy: Toy) -> None:
    objective = build_objective(MetricConfig(miner="as_drawn"))
    config = settings(1, tuples=5)
    epoch = fit_encoder(new_encoder(), toy(absent=False), objective, config=config, seed=7).history.epochs[1]
    assert epoch.images == 4 * 3 * 5
    assert epoch.easy + epoch.semi_hard + epoch.hard == 4 * 5 * 2  # two branches


def test_batches_in_which_nothing_is_mined_are_counted(toy: Toy) -> None:
    """With margin 0 no triplet is semi-hard."""
    objective = build_objective(MetricConfig(margin=0.0))
    result = fit_encoder(new_encoder(), toy(), objective, config=settings(1), seed=7)
    assert [epoch.empty for epoch in result.history.epochs] == [0, 4]
    assert result.history.epochs[1].loss == 0
    assert run(new_encoder(), toy(), settings(1)).history.epochs[1].empty == 0


def test_classes_that_training_does_not_know_are_judged_among_themselves(toy: Toy) -> None:
    examples = toy()
    labels = examples.labels.copy()
    labels[examples.validation] += 7
    result = run(new_encoder(), replace(examples, labels=labels), settings(8, batches_per_epoch=8))
    assert result.best.accuracy > 0.85


def test_one_view_cannot_be_compared_across_views(toy: Toy) -> None:
    objective = build_objective(MetricConfig(views="across"))
    with pytest.raises(
        ConfigError, match=r"metric\.views: got 'across' with branches\.views scale:1\.0 alone"
    ):
        fit_encoder(new_encoder(views=("scale:1.0",)), toy(), objective, config=settings(), seed=7)


def test_a_finished_run_is_not_trained_again(toy: Toy, tmp_path: Path) -> None:
    first, again = new_encoder(), new_encoder()
    run(first, toy(), settings(1), checkpoint=tmp_path / "fit")
    run(again, toy(), settings(1), checkpoint=tmp_path / "fit", progress=lambda _: pytest.fail("trained"))
    np.testing.assert_equal(state(again), state(first))


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(toy: Toy, tmp_path: Path) -> None:
    path = tmp_path / "fit"
    run(new_encoder(), toy(), settings(1), checkpoint=path)
    with pytest.raises(ConfigError, match="other settings or data"):
        run(new_encoder(), toy(), settings(2), checkpoint=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SourceError, match="is damaged"):
        run(new_encoder(), toy(), settings(1), checkpoint=path)


def test_the_same_seed_gives_the_same_weights_whatever_the_global_generators_do(toy: Toy) -> None:
    one, other = new_encoder(), new_encoder()
    run(one, toy(), settings(1))
    torch.rand(3)
    run(other, toy(), settings(1))
    np.testing.assert_equal(state(one), state(other))
    assert any((state(one)[name] != tensor).any() for name, tensor in state(new_encoder()).items())


def test_the_encoder_holds_the_weights_of_the_best_epoch(toy: Toy) -> None:
    encoder, examples = new_encoder(), toy()
    states: list[dict[str, np.ndarray]] = []
    result = run(encoder, examples, settings(4), progress=lambda _: states.append(state(encoder)))
    np.testing.assert_equal(state(encoder), states[result.best.number])


def test_training_stops_when_patience_is_out(toy: Toy) -> None:
    """With a rate that changes nothing, no epoch beats the first by accuracy."""
    result = run(new_encoder(), toy(), settings(30, learning_rate=1e-12, patience=2))
    assert result.stopped == "patience"
    assert len(result.history.epochs) < 30


def test_diverging_training_ends_with_the_epoch_and_the_batch(toy: Toy) -> None:
    encoder = new_encoder()
    encoder.register_forward_hook(lambda net, _, out: out * torch.nan if net.training else out)
    with pytest.raises(ConfigError, match=r"epoch 1, batch 1: the network gives NaN"):
        run(encoder, toy(), settings())


def test_batches_with_a_gradient_of_nan_are_skipped_and_three_in_a_row_end_the_run(toy: Toy) -> None:
    encoder = new_encoder()
    calls = 0

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return gradient * torch.nan if calls == 2 else gradient

    handle = encoder.head.linear.bias.register_hook(spoil)
    result = run(encoder, toy(), settings(1))
    assert result.history.epochs[1].skipped == 1
    assert all(np.isfinite(tensor).all() for tensor in state(encoder).values())
    handle.remove()
    encoder.head.linear.bias.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(ConfigError, match=r"epoch 1, batch 3: the gradient was not finite"):
        run(encoder, toy(), settings(1))


def test_collapse_is_seen_by_the_spread(toy: Toy) -> None:
    encoder = new_encoder()
    with torch.no_grad():
        encoder.head.linear.weight[0] = 0
        encoder.head.linear.bias[0] = 1
    result = run(encoder, toy(), settings(1, learning_rate=1e-12))
    assert result.history.epochs[0].collapsed == ("region:flame",)
    assert result.history.epochs[0].spread[1] > 0.1


def test_without_validation_rows_the_training_rows_judge_each_other(toy: Toy) -> None:
    examples = replace(toy(), validation=np.zeros(0, np.int64))
    result = run(new_encoder(), examples, settings(1))
    assert 0 < result.history.epochs[0].accuracy < 1


def test_a_head_that_does_not_fit_the_distance_is_refused(toy: Toy) -> None:
    with pytest.raises(ConfigError, match="palette"):
        run(new_encoder(head="palette"), toy(), settings())


def test_a_group_on_both_sides_is_refused(toy: Toy) -> None:
    examples = toy()
    with pytest.raises(InputError, match="group 'run0' is in training and in validation"):
        replace(examples, validation=examples.train[:3])


def test_too_few_samples_of_a_class_are_refused(toy: Toy) -> None:
    with pytest.raises(InputError, match="too few samples"):
        run(new_encoder(), toy(), settings(1, samples_per_class=50))


def test_the_number_of_threads_is_put_back(toy: Toy) -> None:
    before = torch.get_num_threads()
    run(new_encoder(), toy(24), settings(1, threads=before + 1, samples_per_class=3))
    assert torch.get_num_threads() == before


def test_encode_after_training_agrees_with_the_reported_accuracy(toy: Toy) -> None:
    """1-NN by a plain loop is as good as the accuracy of the best epoch says, within a few samples."""
    encoder, examples = new_encoder(), toy(absent=False)
    result = run(encoder, examples, settings(6, batches_per_epoch=8))
    train = encode(encoder, examples.draw(examples.train, None)).values
    judged = encode(encoder, examples.draw(examples.validation, None)).values
    shares = []
    for v in range(2):
        right = 0
        for n, row in enumerate(judged[:, v]):
            nearest = int(np.argmin(((train[:, v] - row) ** 2).sum(1)))
            right += examples.labels[examples.train[nearest]] == examples.labels[examples.validation[n]]
        shares.append(right / len(judged))
    assert np.mean(shares) == pytest.approx(result.best.accuracy, abs=0.15)
