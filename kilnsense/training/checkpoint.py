"""A training run on disk: one safetensors file, replaced as a whole after every epoch.

Tensors: ``model.*`` and ``best.*`` (encoder and what its loss learns, now and at their best),
    ``optimizer.<parameter>.<name>``.
The header's metadata hold the history and the fingerprint of the run. No generator states are needed: every
epoch derives its own from the seed and its number.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from kilnsense.errors import ConfigError, InputError, SourceError, StorageError
from kilnsense.training.history import History

_FORMAT = "2"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that a run needs to go on.

    Attributes:
        model: state of the encoder, and of what its loss learns, after the last epoch.
        best: the same at the best epoch.
        optimizer: state tensors of the optimiser, per parameter number.
        history: all epochs so far.
    """

    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    history: History


def write_checkpoint(path: Path, checkpoint: Checkpoint, *, fingerprint: str) -> None:
    """Replaces the file in one step; a kill leaves the old file or the new one. Raises StorageError."""
    tensors = {f"model.{name}": tensor for name, tensor in checkpoint.model.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in checkpoint.best.items()}
    for number, state in checkpoint.optimizer.items():
        tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in state.items()}
    data = safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        metadata={"format": _FORMAT, "fingerprint": fingerprint, "history": checkpoint.history.to_json()},
    )
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StorageError(
            f"checkpoint {path}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from error


def read_checkpoint(path: Path, *, fingerprint: str) -> Checkpoint | None:
    """The run of that file, or None where there is no file.

    Raises:
        SourceError: the file is damaged.
        ConfigError: it is of another run: other data, settings or network.
    """
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        history = History.from_json(metadata.get("history", ""))
    except (safetensors.SafetensorError, OSError, InputError) as error:
        raise SourceError(
            f"checkpoint {path}: is damaged ({error}); delete it to train from the start"
        ) from error
    if metadata.get("format") != _FORMAT or metadata.get("fingerprint") != fingerprint:
        raise ConfigError(
            f"checkpoint {path}: is of a run with other settings or data; restore them, or delete the file "
            "to train from the start"
        )
    optimizer: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, entry = name.split(".", 2)
            optimizer.setdefault(int(number), {})[entry] = tensor
    return Checkpoint(_below(tensors, "model."), _below(tensors, "best."), optimizer, history)


def fingerprint(*facts: object, weights: dict[str, Tensor]) -> str:
    """A digest of what must be the same for a run to go on: facts as JSON holds them, and first weights."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """The optimiser's state per parameter number; empty before the first step."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return state


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[int, dict[str, Tensor]]) -> None:
    """The inverse of `optimizer_tensors`, into a new optimiser over the same parameters."""
    optimizer.load_state_dict({"state": tensors, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
