"""Trunks of timm, without the network."""

import logging
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from kilnsense.errors import ConfigError, SourceError
from kilnsense.nets.backbones import build_trunk

MODEL = "test_resnet"


def trunk(name: str = f"timm:{MODEL}", *, weights: str = "", pretrained: bool = False, seed: int = 0):  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(seed)
    return build_trunk(name, pretrained=pretrained, weights=weights, generator=generator)


def test_a_timm_trunk_gives_a_map_of_stride_16_and_groups_by_stage() -> None:
    built = trunk()
    assert built(torch.zeros(2, 96, 144, 3, dtype=torch.uint8)).shape == (2, built.channels, 6, 9)
    assert len(built.groups()) > 2
    assert {id(p) for group in built.groups() for p in group} == {id(p) for p in built.parameters()}


def test_its_random_weights_follow_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (next(trunk(seed=seed).parameters()) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_pixels_are_normalised_as_the_model_wants() -> None:
    built = trunk()
    cfg = timm.get_pretrained_cfg(MODEL)
    seen: list[torch.Tensor] = []
    built.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    built(torch.tensor([10, 128, 250], dtype=torch.uint8).expand(1, 32, 32, 3))
    want = (torch.tensor([10, 128, 250]) / 255 - torch.tensor(cfg.mean)) / torch.tensor(cfg.std)
    torch.testing.assert_close(seen[0][0, :, 0, 0], want, atol=1e-5, rtol=0)


def test_weights_come_from_a_local_file(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        model = timm.create_model(MODEL, pretrained=False)
    state = {name: torch.full_like(tensor, 0.25) for name, tensor in model.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    built = trunk(weights=str(tmp_path / "model.safetensors"))
    assert all((parameter == 0.25).all() for parameter in built.parameters())


def test_a_missing_weights_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"branches.weights: got 'nowhere.safetensors'"):
        trunk(weights="nowhere.safetensors")


def test_a_damaged_weights_file_is_a_source_error(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="pretrained weights cannot be loaded"):
        trunk(weights=str(path))


def test_without_network_the_file_to_place_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        warned.append(logging.getLogger("huggingface_hub.file_download").isEnabledFor(logging.WARNING))
        raise OSError("no route to host")

    warned: list[bool] = []
    level = logging.getLogger("huggingface_hub").level
    monkeypatch.setattr("timm.models._builder.load_pretrained", offline)
    with pytest.raises(
        SourceError, match=r"no route to host.*place the model.safetensors .* branches.weights"
    ):
        trunk(pretrained=True)
    assert warned == [False], "a page of retries would come before the error"
    assert logging.getLogger("huggingface_hub").level == level


def test_an_unknown_model_is_named_with_a_near_match() -> None:
    with pytest.raises(ConfigError, match="timm has no model 'resnet81'; did you mean"):
        trunk("timm:resnet81")
