"""One step of training: views in, a better encoder, and what the loss learns with it, out."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kilnsense.config import TrainingConfig
from kilnsense.errors import ConfigError
from kilnsense.metric.counts import Counts
from kilnsense.metric.objective import Mining, Objective
from kilnsense.nets.branches import Encoder
from kilnsense.training.batch_loss import Batch, batch_loss
from kilnsense.training.schedule import build_optimizer, set_rate
from kilnsense.types import Views


@dataclass(frozen=True, eq=False)
class Moment:
    """Where in a run a step is.

    Attributes:
        name: for messages, such as ``training: epoch 1, batch 2``.
        mining: of the epoch.
        margin: of the step.
        rate: share of the full learning rate, 0..1.
    """

    name: str
    mining: Mining
    margin: float
    rate: float


@dataclass(frozen=True)
class Stepped:
    """What came of a step.

    Attributes:
        loss: of the batch, before the step.
        counts: of the triplets or pairs of the batch by kind, whichever were mined.
        taught: False where nothing was mined.
        taken: False where the gradient was not finite, and nothing was changed.
    """

    loss: float
    counts: Counts
    taught: bool
    taken: bool


class Learner:
    """An encoder, what its loss learns, and the optimiser of both.

    Attributes:
        encoder: changed in place.
        learned: per branch the tensors of the loss; across views all branches have the same ones.
        optimizer: of all of them.
    """

    def __init__(
        self, encoder: Encoder, objective: Objective, config: TrainingConfig, *, classes: int, seed: int
    ) -> None:
        self.encoder, self.objective, self.config = encoder, objective, config
        self.device = next(encoder.parameters()).device
        started = objective.start(encoder.head.width, classes, len(encoder.views), seed=seed)
        # Branches that share their tensors share the module, which is then stored once.
        kept = started[:1] if objective.across else started
        own = [{n: nn.Parameter(t.to(self.device)) for n, t in one.items()} for one in kept]
        modules = nn.ModuleList(nn.ParameterDict(one) for one in own)
        self._parts = nn.ModuleDict({"encoder": encoder, "learned": modules})
        self._parameters = list(self._parts.parameters())
        self.learned = tuple(own * len(started)) if objective.across else tuple(own)
        self.optimizer = build_optimizer(encoder, config, [p for one in own for p in one.values()])

    def state(self) -> dict[str, Tensor]:
        """A copy of all weights and running statistics."""
        return {name: tensor.detach().clone() for name, tensor in self._parts.state_dict().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        self._parts.load_state_dict(state)

    def fixed(self) -> tuple[dict[str, Tensor], ...]:
        """Copies of what the loss has learned, per branch, on the CPU."""
        return tuple(
            {name: tensor.detach().cpu().clone() for name, tensor in one.items()} for one in self.learned
        )

    def step(self, views: Views, labels: Tensor, moment: Moment, generator: torch.Generator) -> Stepped:
        """One step down the gradient of a batch.

        Raises:
            ConfigError: the network gives NaN or infinity.
        """
        set_rate(self.optimizer, moment.rate)
        found = batch_loss(
            self._batch(views, labels, moment.name),
            self.objective,
            moment.mining,
            margin=moment.margin,
            learned=self.learned,
            generator=generator,
        )
        self.optimizer.zero_grad(set_to_none=True)
        found.value.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._parameters, self.config.clip_norm)
        taken = bool(torch.isfinite(norm))
        if taken:
            self.optimizer.step()
        return Stepped(float(found.value.detach()), found.counts, found.chosen > 0, taken)

    def _batch(self, views: Views, labels: Tensor, name: str) -> Batch:
        arrays = (views.pixels, views.masks, views.palettes, views.present)
        pixels, masks, palettes, present = (torch.from_numpy(a).to(self.device) for a in arrays)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._mixed()):
            embeddings = self.encoder(pixels, masks, palettes).float()
        if not torch.isfinite(embeddings.detach()[present]).all():
            raise ConfigError(
                f"{name}: the network gives NaN or infinity; lower training.learning_rate (got "
                f"{self.config.learning_rate:g}) or training.clip_norm (got {self.config.clip_norm:g})"
            )
        return Batch(embeddings, present, labels.to(self.device), palettes)

    def _mixed(self) -> bool:
        # bfloat16 has the range of float32: no scaling of the loss. On a CPU it can be 20 times slower.
        return self.config.mixed_precision and self.device.type == "cuda" and torch.cuda.is_bf16_supported()
