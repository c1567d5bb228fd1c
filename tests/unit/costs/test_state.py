from __future__ import annotations

import pytest

from w2s.config.schema import Lora, Runtime
from w2s.costs import state
from w2s.costs.state import training_state_bytes
from w2s.models.architecture import KNOWN, Architecture

LLAMA = Architecture(6_738_415_616, KNOWN["llama-2-7b"])


def test_two_states_of_12_bytes_per_trained_parameter():
    """7B: 2 * 12 * 6,738,415,616. LoRA of rank 8 on q_proj: 32 layers * 8 * (4096 + 4096) = 2,097,152 parameters."""
    assert training_state_bytes(LLAMA, None, Runtime()) == 161_721_974_784
    assert training_state_bytes(LLAMA, Lora(rank=8, targets=("q_proj",)), Runtime()) == 24 * 2_097_152
    assert training_state_bytes(LLAMA, None, Runtime(save_minutes=0)) == 0
    assert training_state_bytes(Architecture(None, {}), None, Runtime()) is None


def test_as_many_states_as_training_keeps():
    kept = pytest.importorskip("w2s.training.state", reason="safetensors is not installed").KEPT
    assert kept == state._STATES
