"""Ports for processes that train together."""

from __future__ import annotations

import contextlib
import random
import socket


def free_ports(number: int) -> list[int]:
    """Below the range that the system hands out by itself: a connection of an earlier training cannot be on one."""
    found: list[int] = []
    while len(found) < number:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found
