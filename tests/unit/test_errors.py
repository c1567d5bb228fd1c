"""A lack of memory is distinguished from other failures."""

from __future__ import annotations

import pytest

from w2s.errors import UserError, enough_memory, lacks_memory


class OutOfMemoryError(RuntimeError):
    """By the name of torch's."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: 400 bytes."),
        RuntimeError("the engine failed in its process:\nTraceback ...\ntorch.OutOfMemoryError: CUDA out of memory."),
    ],
)
def test_it_is_one_message_with_the_mend(error: Exception) -> None:
    with (
        pytest.raises(UserError, match=r"(?s)too little memory \(.*hint: use less$") as raised,
        enough_memory("use less"),
    ):
        raise error
    assert lacks_memory(error)
    assert "Traceback" not in str(raised.value) and raised.value.__cause__ is error


def test_other_errors_stay_what_they_are() -> None:
    for error in (RuntimeError("shapes do not match"), ValueError("out of memory"), UserError("x")):
        with pytest.raises(type(error)) as raised, enough_memory("use less"):
            raise error
        assert raised.value is error and not lacks_memory(error)
