"""Where a network is trained, and that it comes back to the CPU."""

import numpy as np
import pytest
import torch

from kilnsense.config import Config, TrainingConfig
from kilnsense.errors import ConfigError
from kilnsense.recogniser import view
from kilnsense.training.network import Network, choose_device, train_network

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def trained_on(device: str, config: Config, learned) -> Network:
    """One epoch on every frame."""
    update = {"device": device, "epochs": 1}
    changed = config.model_copy(update={"training": config.training.model_copy(update=update)})
    trained = learned.trained
    return train_network(changed, trained.sights, trained.data, np.arange(len(trained.data)), part="device")


@no_cuda
def test_cuda_without_a_device_names_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r"training\.device: got 'cuda'.*set training\.device to auto"):
        choose_device(TrainingConfig(device="cuda"))


@no_cuda
def test_auto_takes_the_cpu_where_there_is_nothing_else() -> None:
    assert choose_device(TrainingConfig()) == "cpu"


def test_auto_takes_a_device_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    chosen = [choose_device(TrainingConfig(device=name)) for name in ("auto", "cpu", "cuda")]
    assert chosen == ["cuda", "cpu", "cuda"]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_network_comes_back_to_the_cpu_and_encodes_alike(
    device: str, tiny_config: Config, tiny_learned
) -> None:
    network = trained_on(device, tiny_config, tiny_learned)
    assert network.device == device
    assert {parameter.device.type for parameter in network.encoder.parameters()} == {"cpu"}
    sights = tiny_learned.trained.sights
    views = view([sight.frame for sight in sights], [sight.segmentation for sight in sights], tiny_config)
    there, here = network.encode(views), Network(network.encoder, network.result).encode(views)
    np.testing.assert_allclose(there.values, here.values, atol=1e-2)
    assert {parameter.device.type for parameter in network.encoder.parameters()} == {"cpu"}
