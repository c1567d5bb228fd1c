"""What is freed stays with the process, until it is given back."""

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


GIVEN = """
import resource
import numpy as np
from w2s.models.malloc import give_back, keep_freed_memory

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() >> 20

assert keep_freed_memory()
before = held()
blocks = [np.ones(2**17) for _ in range(256)]
del blocks[::2]
some = held()
assert give_back()
half = held()
del blocks
give_back()
print(some - before, half - before, held() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_can_be_given_back() -> None:
    """256 blocks of 1 MiB; of every second one, also between others, the pages go back."""
    done = subprocess.run([sys.executable, "-c", GIVEN], capture_output=True, text=True, check=True)
    some, half, none = map(int, done.stdout.split())
    assert some > 240 and half < 160 and none < 30
