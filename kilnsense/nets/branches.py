"""The encoder: V branches, each a view with a trunk and a head."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kilnsense.errors import ConfigError, InputError
from kilnsense.nets.backbones import build_trunk, check_trunk
from kilnsense.nets.heads import HEADS, PaletteHead, VectorHead
from kilnsense.nets.layers import Hidden
from kilnsense.nets.pooling import POOLS, Pool, pool_flat
from kilnsense.nets.trunk import Trunk
from kilnsense.parts import pick


@dataclass(frozen=True)
class EncoderPlan:
    """Everything that makes an encoder, apart from its weights.

    Attributes:
        views: the V view names, one branch each.
        trunk: a name of BACKBONES or timm:<model>.
        sharing: "shared" (one trunk for all branches) or "separate" (one each).
        pretrained, weights: see `build_trunk`.
        pool: "moments" or "flat", see `kilnsense.nets.pooling`.
        crop: side of the crops in pixels, which "flat" must know; 0: no crops, or nobody has to know.
        hidden: widths of the hidden layers of the head.
        dropout: share of the values dropped before each linear map of the head.
        head: "vector" or "palette".
        dimensions: length of a vector.
        normalise: vectors of unit length.
        colours: colours of a palette.
        residual: largest learned shift of a palette colour, Lab units.
    """

    views: tuple[str, ...]
    trunk: str = "small"
    sharing: str = "shared"
    pretrained: bool = False
    weights: str = ""
    pool: str = "moments"
    crop: int = 0
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    head: str = "vector"
    dimensions: int = 32
    normalise: bool = True
    colours: int = 5
    residual: float = 20.0


class Encoder(nn.Module):
    """V branches over the views of a batch of frames.

    Attributes:
        views: the view names, in the order of the output.
        trunks: one trunk, or one per view.
        pool: what goes from the feature maps into the head.
        head: the heads of all branches.
    """

    def __init__(
        self, views: tuple[str, ...], trunks: list[Trunk], pool: Pool, head: VectorHead | PaletteHead
    ) -> None:
        super().__init__()
        self.views = views
        self.trunks = nn.ModuleList(trunks)
        self.pool = pool
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
        pooled = self._shared(pixels, masks) if len(self.trunks) == 1 else self._separate(pixels, masks)
        result: Tensor = self.head(pooled, palettes)
        return result

    def _shared(self, pixels: Tensor, masks: Tensor) -> Tensor:
        features = self.trunks[0](pixels.flatten(0, 1)).float()
        weights = shrink_masks(masks, features.shape[-2], features.shape[-1])
        return self.pool(features.unflatten(0, (-1, pixels.shape[1])), weights)

    def _separate(self, pixels: Tensor, masks: Tensor) -> Tensor:
        pooled = []
        for v, trunk in enumerate(self.trunks):
            features = trunk(pixels[:, v if pixels.shape[1] > 1 else 0]).float()
            weights = shrink_masks(masks[:, v : v + 1], features.shape[-2], features.shape[-1])
            pooled.append(self.pool(features.unsqueeze(1), weights))
        return torch.cat(pooled, dim=1)


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


def check_plan(plan: EncoderPlan) -> None:
    """Checks all that can be known of an encoder before it is built.

    Raises:
        ConfigError: unknown trunk, head, pool or sharing, no views, or parts that do not go together.
    """
    if plan.sharing not in ("shared", "separate"):
        raise ConfigError(f"branches.sharing: got {plan.sharing!r}, allowed: shared, separate")
    if not plan.views:
        raise ConfigError("branches.views: got none, allowed: at least one view")
    check_trunk(plan.trunk, pretrained=plan.pretrained, weights=plan.weights)
    kind, pool = pick(HEADS, plan.head, kind="branches.head"), pick(POOLS, plan.pool, kind="branches.pool")
    if pool is pool_flat and not plan.crop:
        raise ConfigError(
            "branches.pool 'flat': needs crops, in a picture that all views share a cell lies elsewhere in "
            "each view; set branches.mode: crop, or branches.pool: moments"
        )
    if kind is PaletteHead and not plan.normalise:
        raise ConfigError(
            "branches.normalise: got false, but a palette head gives Lab colours, which have no length to "
            "leave alone; leave it true, or set branches.head: vector"
        )


def build_encoder(plan: EncoderPlan, *, generator: torch.Generator) -> Encoder:
    """An encoder with new (or pretrained) weights; the same generator state gives the same weights.

    Raises:
        ConfigError: see `check_plan`.
        SourceError: pretrained weights cannot be had.
    """
    check_plan(plan)
    pool = POOLS[plan.pool]
    trunks = [
        build_trunk(plan.trunk, pretrained=plan.pretrained, weights=plan.weights, generator=generator)
        for _ in range(1 if plan.sharing == "shared" else len(plan.views))
    ]
    inputs = trunks[0].channels * (trunks[0].cells(plan.crop) if pool is pool_flat else 2)
    hidden = Hidden(len(plan.views), inputs, widths=plan.hidden, dropout=plan.dropout, generator=generator)
    head: VectorHead | PaletteHead
    if HEADS[plan.head] is PaletteHead:
        head = PaletteHead(hidden, colours=plan.colours, residual=plan.residual)
    else:
        head = VectorHead(hidden, dimensions=plan.dimensions, normalise=plan.normalise, generator=generator)
    return Encoder(plan.views, trunks, pool, head)


def check_views(encoder: Encoder, names: tuple[str, ...]) -> None:
    """Raises InputError where views of other names, or in another order, are given to the encoder."""
    if names != encoder.views:
        raise InputError(
            f"encoder: got views {', '.join(names)}, it was built for {', '.join(encoder.views)}"
        )
