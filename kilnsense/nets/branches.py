"""The encoder: V branches, each a view with a trunk and a head."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kilnsense.errors import ConfigError, InputError
from kilnsense.nets.backbones import Trunk, build_trunk
from kilnsense.nets.heads import HEADS, PaletteHead, VectorHead, masked_moments
from kilnsense.parts import pick


@dataclass(frozen=True)
class EncoderPlan:
    """Everything that makes an encoder, apart from its weights.

    Attributes:
        views: the V view names, one branch each.
        trunk: a name of BACKBONES or timm:<model>.
        sharing: "shared" (one trunk for all branches) or "separate" (one each).
        pretrained, weights: see `build_trunk`.
        head: "vector" or "palette".
        dimensions: length of a vector.
        colours: colours of a palette.
        residual: largest learned shift of a palette colour, Lab units.
    """

    views: tuple[str, ...]
    trunk: str = "small"
    sharing: str = "shared"
    pretrained: bool = False
    weights: str = ""
    head: str = "vector"
    dimensions: int = 32
    colours: int = 5
    residual: float = 20.0


class Encoder(nn.Module):
    """V branches over the views of a batch of frames.

    Attributes:
        views: the view names, in the order of the output.
        trunks: one trunk, or one per view.
        head: the heads of all branches.
    """

    def __init__(self, views: tuple[str, ...], trunks: list[Trunk], head: VectorHead | PaletteHead) -> None:
        super().__init__()
        self.views = views
        self.trunks = nn.ModuleList(trunks)
        self.head = head

    def forward(self, pixels: Tensor, masks: Tensor, palettes: Tensor) -> Tensor:
        """Embeddings of N frames through V views.

        Args:
            pixels: (N, P, H, W, 3) uint8 or float sRGB, 0..255; P = V pictures, or 1 that all views share.
            masks: (N, V, H, W) float, 0..1.
            palettes: (N, V, p, 3) CIE Lab; a vector head does not look at them.

        Returns:
            (N, V, D). Rows of absent views (mask 0) are meaningless; the caller leaves them out.
        """
        moments = self._shared(pixels, masks) if len(self.trunks) == 1 else self._separate(pixels, masks)
        result: Tensor = self.head(moments, palettes)
        return result

    def _shared(self, pixels: Tensor, masks: Tensor) -> Tensor:
        features = self.trunks[0](pixels.flatten(0, 1)).float()
        weights = shrink_masks(masks, features.shape[-2], features.shape[-1]).flatten(-2)
        rows = features.flatten(-2).transpose(-2, -1)
        if pixels.shape[1] == 1:
            return masked_moments(rows, weights)
        rows = rows.unflatten(0, (-1, masks.shape[1]))
        return masked_moments(rows, weights.unsqueeze(-2)).squeeze(-2)

    def _separate(self, pixels: Tensor, masks: Tensor) -> Tensor:
        moments = []
        for v, trunk in enumerate(self.trunks):
            features = trunk(pixels[:, v if pixels.shape[1] > 1 else 0]).float()
            weights = shrink_masks(masks[:, v : v + 1], features.shape[-2], features.shape[-1]).flatten(-2)
            moments.append(masked_moments(features.flatten(-2).transpose(-2, -1), weights))
        return torch.cat(moments, dim=1)


def shrink_masks(masks: Tensor, height: int, width: int) -> Tensor:
    """Area averages of (N, V, H, W) masks on a grid of height x width cells, also where that does not divide.

    As two small matrix products with constant weights, which every exporter and runtime knows.
    """
    rows = _cell_weights(masks.shape[-2], height).to(masks)
    columns = _cell_weights(masks.shape[-1], width).to(masks)
    return rows @ masks @ columns.T


def _cell_weights(pixels: int, cells: int) -> Tensor:
    """(cells, pixels): the share of each cell that each pixel covers; rows sum to 1."""
    edges = torch.arange(cells + 1, dtype=torch.float32) * (pixels / cells)
    start = torch.arange(pixels, dtype=torch.float32)
    overlap = torch.minimum(edges[1:, None], start + 1) - torch.maximum(edges[:-1, None], start)
    return overlap.clamp_min(0.0) * (cells / pixels)


def build_encoder(plan: EncoderPlan, *, generator: torch.Generator) -> Encoder:
    """An encoder with new (or pretrained) weights; the same generator state gives the same weights.

    Raises:
        ConfigError: unknown trunk, head or sharing, or no views.
        SourceError: pretrained weights cannot be had.
    """
    if plan.sharing not in ("shared", "separate"):
        raise ConfigError(f"branches.sharing: got {plan.sharing!r}, allowed: shared, separate")
    if not plan.views:
        raise ConfigError("branches.views: got none, allowed: at least one view")
    trunks = [
        build_trunk(plan.trunk, pretrained=plan.pretrained, weights=plan.weights, generator=generator)
        for _ in range(1 if plan.sharing == "shared" else len(plan.views))
    ]
    kind = pick(HEADS, plan.head, kind="branches.head")
    branches, inputs = len(plan.views), 2 * trunks[0].channels
    head: VectorHead | PaletteHead
    if kind is PaletteHead:
        head = PaletteHead(branches=branches, inputs=inputs, colours=plan.colours, residual=plan.residual)
    else:
        head = VectorHead(branches=branches, inputs=inputs, dimensions=plan.dimensions, generator=generator)
    return Encoder(plan.views, trunks, head)


def check_views(encoder: Encoder, names: tuple[str, ...]) -> None:
    """Raises InputError where views of other names, or in another order, are given to the encoder."""
    if names != encoder.views:
        raise InputError(
            f"encoder: got views {', '.join(names)}, it was built for {', '.join(encoder.views)}"
        )
