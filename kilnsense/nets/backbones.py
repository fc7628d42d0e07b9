"""Trunks: pictures in, one feature map out.

The plain ones need no pretraining; ``timm:<model>`` takes any convolutional model of timm, with its deepest
feature map at a stride of at most 16, because a region of a 96-pixel picture needs more than a cell or two.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from kilnsense.errors import ConfigError, MissingExtraError, SourceError
from kilnsense.nets.plain import conv2, conv4, small
from kilnsense.nets.trunk import Trunk
from kilnsense.parts import near_match

TIMM_PREFIX = "timm:"
_LARGEST_STRIDE = 16


def timm_trunk(model: str, *, pretrained: bool, weights: str, generator: torch.Generator) -> Trunk:
    """A model of timm by its name.

    Args:
        model: such as ``mobilenetv4_conv_small_050``.
        pretrained: load timm's own weights (it may fetch them, once).
        weights: a safetensors file with timm's weights of this model; takes the place of fetching.
        generator: for random weights.

    Raises:
        MissingExtraError: timm is not installed.
        ConfigError: timm has no such model, or it gives no feature maps, or `weights` is no safetensors file.
        SourceError: the weights cannot be had; names the file to place.
    """
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError("trunk timm:...: timm is missing; install kilnsense[train]") from error
    if not timm.is_model(model.split(".")[0]):
        hint = near_match(model, timm.list_models())
        raise ConfigError(f"trunk: timm has no model {model!r}{hint}; see timm.list_models()")
    if weights and (Path(weights).suffix != ".safetensors" or not Path(weights).is_file()):
        raise ConfigError(f"branches.weights: got {weights!r}, allowed: an existing .safetensors file")
    index = _deepest_index(model)
    overlay = {"file": weights} if weights else None
    try:
        with torch.random.fork_rng(devices=[]), _quiet_hub():
            # timm draws initial weights from the global generator and takes no other: seeded inside a fork.
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
            features: Any = timm.create_model(
                model,
                pretrained=pretrained or bool(weights),
                pretrained_cfg_overlay=overlay,
                features_only=True,
                out_indices=(index,),
            )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        if not (pretrained or weights):
            raise ConfigError(f"trunk timm:{model}: cannot be built ({_first_line(error)})") from error
        raise SourceError(
            f"trunk timm:{model}: pretrained weights cannot be loaded ({_first_line(error)}); place the "
            "model.safetensors of this model on this machine and name it in branches.weights"
        ) from error
    cfg = features.pretrained_cfg
    return Trunk(
        features, channels=int(features.feature_info.channels()[-1]), mean=cfg["mean"], std=cfg["std"]
    )


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Without a network the hub warns of every retry; the one error at the end says it all."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _deepest_index(model: str) -> int:
    """The index of the deepest feature map whose stride is at most 16."""
    import timm

    try:
        with torch.device("meta"):  # no memory, no random draw
            probe: Any = timm.create_model(model, features_only=True)
    except (RuntimeError, ValueError, AttributeError, NotImplementedError) as error:
        raise ConfigError(
            f"trunk timm:{model}: gives no feature maps ({_first_line(error)}); take a convolutional model"
        ) from error
    fitting = [i for i, stride in enumerate(probe.feature_info.reduction()) if stride <= _LARGEST_STRIDE]
    if not fitting:
        raise ConfigError(f"trunk timm:{model}: no feature map with a stride of {_LARGEST_STRIDE} or less")
    return fitting[-1]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


BACKBONES: dict[str, Callable[..., Trunk]] = {"small": small, "conv2": conv2, "conv4": conv4}
"""Trunk by name, each a builder that takes `generator`; ``timm:<model>`` comes beside these."""


def check_trunk(name: str, *, pretrained: bool, weights: str) -> None:
    """Checks what is known of a trunk before it is built; of a model of timm nothing is.

    Raises:
        ConfigError: unknown name, or pretrained weights asked of a trunk that has none.
    """
    if name.startswith(TIMM_PREFIX):
        return
    if name not in BACKBONES:
        allowed = ", ".join([*sorted(BACKBONES), "timm:<model>"])
        raise ConfigError(f"branches.trunk: got {name!r}, allowed: {allowed}{near_match(name, BACKBONES)}")
    if pretrained or weights:
        raise ConfigError(
            f"branches.trunk {name!r}: has no pretrained weights; set pretrained: false and weights: '', "
            "or take timm:<model>"
        )


def build_trunk(name: str, *, pretrained: bool, weights: str, generator: torch.Generator) -> Trunk:
    """A trunk by its name in the config: one of `BACKBONES`, or ``timm:<model>``.

    Raises:
        ConfigError: see `check_trunk` and `timm_trunk`.
        SourceError: see `timm_trunk`.
    """
    check_trunk(name, pretrained=pretrained, weights=weights)
    if name in BACKBONES:
        return BACKBONES[name](generator=generator)
    return timm_trunk(
        name.removeprefix(TIMM_PREFIX), pretrained=pretrained, weights=weights, generator=generator
    )
