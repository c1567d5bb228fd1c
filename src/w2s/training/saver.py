"""Saves a training's state between steps, and puts it back.

What continues exactly: trained weights in float32, the optimiser's state, the schedule, random states of each process,
and the history. The order of examples is a function of seed and epoch.
"""

from __future__ import annotations

import base64
import functools
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors import SafetensorError
from torch import Tensor

from w2s.training import distributed, state
from w2s.training.distributed import Team
from w2s.training.signals import Waiting

_log = logging.getLogger(__name__)

_SHARE = 0.1
"""Most of the time that saving takes."""
_FILE_BYTES = 2**30
"""Of tensors per file; as much memory is used, or one tensor's."""


class Saver:
    """The states of one training; all processes call the same methods in the same order.

    Args:
        place: their folder, which the first process sees.
        key: of all that decides the training; it hashes the model, so only where a state is read or written.
        minutes: between states.
        waiting: signals that stop the training once it is saved.
    """

    def __init__(self, place: Path, key: Callable[[], str], team: Team, minutes: float, waiting: Waiting) -> None:
        self._place, self._key, self._team = place, functools.cache(key), team
        self._waiting, self._seconds = waiting, 60 * minutes
        self._ended, self._cost = time.monotonic(), 0.0

    def resume(self, model: Any, optimizer: Any) -> tuple[int, Mapping[str, Any]]:
        """Put the last state back; the steps it has done and its facts, or 0 and none."""
        team = self._team
        found = state.newest(self._place, self._key) if team.rank == 0 else None
        done, facts, names = team.from_first((found.done, found.facts, set(found.places)) if found else (0, {}, set()))

        def fill(target: Tensor, name: str) -> Tensor:
            return distributed.assign(target, found.tensor(name) if found else None, team)

        if not done:
            return 0, {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                fill(parameter, f"weight:{name}")
                kinds = [kind for kind in _KINDS if f"{kind}:{name}" in names]
                optimizer.state[parameter] = {kind: fill(_like(kind, parameter), f"{kind}:{name}") for kind in kinds}
        if team.rank < len(facts["random"]):
            _set_random(facts["random"][team.rank], team.device)
        return done, facts

    def after(self, done: int, model: Any, optimizer: Any, facts: Callable[[], Mapping[str, Any]]) -> None:
        """Save the state if it is time or a signal came, and pass the signal on."""
        stops = bool(self._waiting.came)
        if self._team.any(stops or self._due()):
            began = time.monotonic()
            self._save(done, model, optimizer, facts())
            self._ended = time.monotonic()
            self._cost = self._ended - began
        if stops:
            self._waiting.pass_on()

    def _due(self) -> bool:
        if self._team.rank:
            return False
        return time.monotonic() - self._ended >= max(self._seconds, self._cost * (1 / _SHARE - 1))

    def _save(self, done: int, model: Any, optimizer: Any, facts: Mapping[str, Any]) -> None:
        team, place = self._team, self._place
        tensors = _tensors(model, optimizer, keep=team.rank == 0)
        states = team.gather(_random(team.device))
        try:
            if team.rank == 0:
                state.write(place, self._key(), done, {**facts, "random": states}, tensors)
        except (OSError, SafetensorError) as error:
            _log.warning("%s: the training's state cannot be saved (%s); the training goes on", place, error)
        deque(tensors, maxlen=0)  # the other processes take part, and where the first one failed it too


_KINDS = ("exp_avg", "exp_avg_sq", "step")
"""Of AdamW, per parameter."""


def _like(kind: str, parameter: Tensor) -> Tensor:
    """AdamW's tensor to fill."""
    if kind == "step":
        return torch.zeros((), dtype=torch.float32, device=parameter.device)
    return torch.zeros_like(parameter, memory_format=torch.preserve_format)


def _tensors(model: Any, optimizer: Any, *, keep: bool) -> Iterator[dict[str, Tensor]]:
    """Trained weights and the optimiser's tensors, whole and on the CPU, in batches of `_FILE_BYTES`."""
    batch: dict[str, Tensor] = {}
    size = 0
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        for kind, tensor in {"weight": parameter, **optimizer.state.get(parameter, {})}.items():
            whole = distributed.whole(tensor.detach())
            if keep:
                batch[f"{kind}:{name}"] = whole.cpu().contiguous()
                size += whole.nbytes
        if size >= _FILE_BYTES:
            yield batch
            batch, size = {}, 0
    yield batch


def _random(device: torch.device) -> dict[str, Any]:
    """This process's random states, as JSON."""
    numpy_state = numpy.random.get_state(legacy=False)
    numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
    gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {
        "python": random.getstate(),
        "numpy": numpy_state,
        "torch": _text(torch.get_rng_state()),
        "cuda": None if gpu is None else _text(gpu),
    }


def _set_random(states: Mapping[str, Any], device: torch.device) -> None:
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    numpy.random.set_state(states["numpy"])
    torch.set_rng_state(_bytes(states["torch"]))
    if device.type == "cuda" and states["cuda"] is not None:
        torch.cuda.set_rng_state(_bytes(states["cuda"]), device)


def _text(values: Tensor) -> str:
    return base64.b64encode(values.cpu().numpy().tobytes()).decode()


def _bytes(text: str) -> Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
