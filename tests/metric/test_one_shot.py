"""One-shot trials: chance for embeddings that say nothing, all right for those that say it all."""

import pytest
import torch

from kilnsense.errors import ConfigError, InputError
from kilnsense.metric.distances import DISTANCES
from kilnsense.metric.one_shot import one_shot

EUCLID = DISTANCES["euclidean"]()
LABELS = torch.arange(30).repeat_interleave(4)[
    torch.randperm(120, generator=torch.Generator().manual_seed(0))
]


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("ways", [2, 5, 20])
def test_equal_embeddings_are_right_as_often_as_chance(ways: int) -> None:
    result = one_shot(EUCLID, torch.zeros(120, 3), LABELS, ways=ways, trials=4000, generator=chance())
    spread = (1 / ways * (1 - 1 / ways) / 4000) ** 0.5
    assert abs(result.accuracy - 1 / ways) < 4 * spread
    assert result.low < 1 / ways < result.high
    assert result.trials == 4000


@pytest.mark.parametrize("ways", [2, 30])
def test_perfect_embeddings_are_always_right(ways: int) -> None:
    x = torch.nn.functional.one_hot(LABELS).float()
    result = one_shot(EUCLID, x, LABELS, ways=ways, trials=500, generator=chance())
    assert result.accuracy == 1.0
    assert result.high == pytest.approx(1.0)
    assert 0.99 < result.low < 1


def test_noise_gives_what_a_loop_gives() -> None:
    """Accuracy of partly telling embeddings against trials played one by one."""
    x = torch.nn.functional.one_hot(LABELS).float() * 2 + torch.randn(120, 30, generator=chance(1))
    result = one_shot(EUCLID, x, LABELS, ways=5, trials=4000, generator=chance(2))
    rng, right = torch.Generator().manual_seed(3), 0
    for _ in range(2000):
        classes = torch.randperm(30, generator=rng)[:5]
        shown = []
        for c in classes.tolist():
            members = LABELS.eq(c).nonzero().flatten()
            shown.append(members[torch.randperm(4, generator=rng)])
        asked = x[shown[0][1]]
        right += int(torch.stack([(x[m[0]] - asked).norm() for m in shown]).argmin() == 0)
    assert 0.3 < result.accuracy < 0.95
    assert abs(result.accuracy - right / 2000) < 0.05


def test_the_one_asked_about_is_another_sample_of_its_class() -> None:
    """Every sample far from all others: if it were offered itself, it would always be right."""
    x = torch.eye(120)
    result = one_shot(EUCLID, x, LABELS, ways=5, trials=2000, generator=chance())
    assert abs(result.accuracy - 0.2) < 0.04


def test_the_interval_is_wilsons() -> None:
    """10 of 20 right: 0.2993 to 0.7007, a textbook value."""
    x = torch.zeros(4, 1)
    labels = torch.tensor([0, 0, 1, 1])
    results = [one_shot(EUCLID, x, labels, ways=2, trials=20, generator=chance(s)) for s in range(40)]
    half = next(r for r in results if r.accuracy == 0.5)
    assert (half.low, half.high) == pytest.approx((0.29930, 0.70070), abs=1e-5)
    assert results == [one_shot(EUCLID, x, labels, ways=2, trials=20, generator=chance(s)) for s in range(40)]


def test_a_class_with_one_sample_is_offered_but_never_asked_about() -> None:
    labels = torch.tensor([0, 0, 1])
    x = torch.tensor([[0.0], [0.1], [5.0]])
    assert one_shot(EUCLID, x, labels, ways=2, trials=100, generator=chance()).accuracy == 1.0


def test_bad_arguments_are_named() -> None:
    x = torch.zeros(120, 3)
    with pytest.raises(ConfigError, match=r"ways: got 31, allowed: 2\.\.30, the number of classes"):
        one_shot(EUCLID, x, LABELS, ways=31, trials=5, generator=chance())
    with pytest.raises(ConfigError, match="trials: got 0"):
        one_shot(EUCLID, x, LABELS, ways=5, trials=0, generator=chance())
    with pytest.raises(InputError, match="one label per embedding, got 120"):
        one_shot(EUCLID, x, LABELS[:5], ways=5, trials=5, generator=chance())
    with pytest.raises(InputError, match="every class has a single sample"):
        one_shot(EUCLID, x[:3], torch.arange(3), ways=2, trials=5, generator=chance())
    x[0] = torch.nan
    with pytest.raises(InputError, match="hold NaN or infinity"):
        one_shot(EUCLID, x, LABELS, ways=20, trials=100, generator=chance())
