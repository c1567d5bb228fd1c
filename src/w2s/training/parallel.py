"""Processes that share one training: who they are, how they hold the model, how its weights come together again.

The processes are started outside (Ray Train, torchrun) and find each other by torch's process group or by the variables
RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT that lead to one: NCCL between GPUs, gloo between CPUs.
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
from torch.nn.parallel import DistributedDataParallel

from w2s.config import PATIENCE_SECONDS

Device = Literal["auto", "cpu", "cuda"]
Sharding = Literal["none", "fsdp"]


@dataclass(frozen=True, slots=True)
class Team:
    """This process, `rank`, among `size`, and its device."""

    rank: int
    size: int
    device: torch.device

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor, in place, summed over all processes."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def first_says(self, value: Any) -> Any:
        """The first process's value, in every process."""
        values = [value]
        if self.size > 1:
            distributed.broadcast_object_list(values, device=self.device)
        return values[0]

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def join(device: Device) -> Iterator[Team]:
    """The processes that share this training; this one alone where nothing says otherwise."""
    gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    opens = not distributed.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1
    if opens:
        if gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if gpu else "gloo", timeout=timedelta(seconds=PATIENCE_SECONDS))
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
    """The model to call in training: each process holds all of it (DDP), or, with `fsdp`, a part of each layer (FSDP2).

    FSDP gathers a layer's weights when it is their turn. They stay float32, as everywhere: number formats do not
    depend on how the model is held. The weights are the first process's; with `fsdp` the others' model may be empty
    (on torch's device "meta"). With one process nothing is done but to move the model to its device.
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
    """While in it, DDP keeps gradients to itself, since more are to be added; FSDP, to save memory, always shares."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()


def trained_weights(model: Any) -> dict[str, Tensor]:
    """What is trained of a model under FSDP, on the CPU of the first process; empty in the others. All must call it.

    What is frozen is not gathered: the base has it, and beside an adapter it is nearly everything.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return get_model_state_dict(model, options=options)
