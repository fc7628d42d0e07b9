"""The loss over classes, against its formula."""

import pytest
import torch

from kilnsense.errors import InputError
from kilnsense.metric.distances import DISTANCES
from kilnsense.metric.losses import LOSSES

NONE = DISTANCES["euclidean"]()


def layer(width: int, classes: int) -> dict[str, torch.Tensor]:
    start = LOSSES["softmax"]().start
    assert start is not None
    return start(width, classes, torch.Generator().manual_seed(0))


def test_value_and_slope_equal_the_formula() -> None:
    own = {k: v.double().requires_grad_() for k, v in layer(6, 4).items()}
    generator = torch.Generator().manual_seed(1)
    labels = torch.tensor([0, 3, 1, 1, 2])
    for shape in ((5, 6), (5, 2, 3)):
        x = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        scores = torch.exp(x.flatten(1) @ own["weights"].T + own["bias"])
        expected = -torch.log(scores[torch.arange(5), labels] / scores.sum(1)).mean()
        assert LOSSES["softmax"]().value(x, labels, NONE, own).item() == pytest.approx(expected.item())
        assert torch.autograd.gradcheck(
            lambda e, w, b: LOSSES["softmax"]().value(e, labels, NONE, {"weights": w, "bias": b}),
            (x, own["weights"], own["bias"]),
        )


def test_no_sample_gives_a_zero_that_back_propagates() -> None:
    x = torch.zeros(0, 6, requires_grad=True)
    own = {k: v.requires_grad_() for k, v in layer(6, 4).items()}
    value = LOSSES["softmax"]().value(x, torch.zeros(0, dtype=torch.int64), NONE, own)
    value.backward()
    assert value.item() == 0
    assert x.grad is not None
    assert own["weights"].grad is not None
    assert (own["weights"].grad == 0).all()


def test_the_class_layer_begins_even_in_its_bounds() -> None:
    own = layer(100, 50)
    assert own["weights"].shape == (50, 100)
    assert own["bias"].shape == (50,)
    assert 0.099 < own["weights"].abs().max().item() <= 0.1
    assert own["weights"].std().item() == pytest.approx(0.1 / 3**0.5, rel=0.05)


def test_bad_arguments_are_named() -> None:
    own, of = layer(6, 4), LOSSES["softmax"]().value
    x = torch.zeros(3, 6)
    with pytest.raises(InputError, match=r"got labels 0..4, allowed: 0..3"):
        of(x, torch.tensor([0, 1, 4]), NONE, own)
    with pytest.raises(InputError, match="takes embeddings 6 wide, got 5"):
        of(x[:, :5], torch.tensor([0, 1, 2]), NONE, own)
    x[1, 1] = torch.inf
    with pytest.raises(InputError, match=r"1 of 3 rows hold NaN or infinity \(rows 1\)"):
        of(x, torch.tensor([0, 1, 2]), NONE, own)
