"""What is freed stays with the process: a block taken again brings no new pages."""

from __future__ import annotations

import subprocess
import sys

import pytest

TWICE = """
import resource, sys
import numpy as np
from w2s.models.malloc import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(8 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "keep":
    assert keep_freed_memory()
print(faults(), faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_block_that_was_freed_is_used_again() -> None:
    """64 MiB are 16,384 pages of 4 KiB; the system may map several with one fault, so fewer faults are possible.

    Without the call the same program pays for them again.
    """
    found = {}
    for mode in ("keep", "plain"):
        done = subprocess.run([sys.executable, "-c", TWICE, mode], capture_output=True, text=True, check=True)
        found[mode] = tuple(map(int, done.stdout.split()))
    first, second = found["keep"]
    assert second < first / 10
    assert found["plain"][1] > found["plain"][0] / 2
