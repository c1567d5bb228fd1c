"""Processes that share one training: they join, split the model and gather its weights.

Their group is torch's open one, or torchrun's: NCCL on GPUs, gloo on CPUs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import torch
from torch import Tensor, distributed
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from w2s.config.schema import TIMEOUT_SECONDS, Runtime

Sharding = Literal["none", "fsdp"]


@dataclass(frozen=True, slots=True)
class Team:
    """This process, `rank`, among `size`."""

    rank: int
    size: int
    device: torch.device

    def sum(self, tensor: Tensor) -> Tensor:
        """In place."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def from_first(self, value: Any) -> Any:
        values = [value]
        if self.size > 1:
            distributed.broadcast_object_list(values, device=self.device)
        return values[0]

    def any(self, flag: bool) -> bool:
        """Whether it is set in any process."""
        return bool(self.sum(torch.tensor(float(flag), device=self.device))) if self.size > 1 else flag

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, by rank."""
        values = [value] * self.size
        if self.size > 1:
            distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        if self.size > 1:
            distributed.barrier()


@contextmanager
def join(runtime: Runtime) -> Iterator[Team]:
    """The processes that share this training, or this one alone."""
    gpu = runtime.device == "cuda" or (runtime.device == "auto" and torch.cuda.is_available())
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    opens = not distributed.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1
    if opens:
        if gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if gpu else "gloo", timeout=timedelta(seconds=TIMEOUT_SECONDS))
    try:
        place = torch.device("cuda", torch.cuda.current_device()) if gpu else torch.device("cpu")
        if distributed.is_initialized():
            yield Team(distributed.get_rank(), distributed.get_world_size(), place)
        else:
            yield Team(0, 1, place)
    finally:
        if opens:
            distributed.destroy_process_group()


def spread(model: Any, sharding: Sharding, team: Team) -> Any:
    """The model to call in training, in float32: whole in each process (DDP) or sharded (FSDP2).

    Weights come from the first process.
    """
    if team.size == 1:
        return model.to(team.device)
    if sharding == "none":
        devices = [team.device] if team.device.type == "cuda" else None
        return DistributedDataParallel(model.to(team.device), device_ids=devices, broadcast_buffers=False)
    mesh = init_device_mesh(team.device.type, (team.size,))
    names = model._no_split_modules or ()  # the classes of its layers; without them, the model is one part
    weights = model.state_dict() if team.rank == 0 else {}
    for layer in [module for module in model.modules() if type(module).__name__ in names]:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    if team.rank == 0:
        model.to(team.device)
    else:
        model.to_empty(device=team.device)
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True))
    for buffer in model.buffers():  # those that are not saved with the model, like the frequencies of positions
        distributed.broadcast(buffer, 0)
    return model


def no_exchange(model: Any) -> AbstractContextManager[Any]:
    """Inside, DDP exchanges no gradients; FSDP does."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()


def trained_weights(model: Any) -> dict[str, Tensor]:
    """A sharded model's trained weights, on the first process's CPU. All must call it."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return get_model_state_dict(model, options=options)


def whole(tensor: Tensor) -> Tensor:
    """A tensor that may be sharded. All must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def assign(target: Tensor, values: Tensor | None, team: Team) -> Tensor:
    """Fill a tensor, sharded or not, with the first process's whole `values`. All must call it."""
    given = torch.empty(target.shape, dtype=target.dtype) if values is None else values
    given = given.to(team.device, target.dtype)
    with torch.no_grad():
        if isinstance(target, DTensor):
            given = distribute_tensor(given, target.device_mesh, target.placements)
        elif team.size > 1:
            distributed.broadcast(given, 0)
        target.copy_(given)
    return target
