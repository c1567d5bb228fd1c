"""The most memory that torch allocated on this process's GPU."""

from __future__ import annotations

import torch


def watch() -> None:
    """Only what is allocated now and from now on counts."""
    if torch.cuda.is_initialized():  # else torch refuses, and nothing has been allocated
        torch.cuda.reset_peak_memory_stats()


def most() -> int | None:
    """Bytes since `watch`; None without a GPU, or if nothing is on it."""
    return (torch.cuda.max_memory_allocated() or None) if torch.cuda.is_available() else None
