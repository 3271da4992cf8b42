"""Errors that a machine makes and no network: whoever tries another way after an error asks here first."""

import torch

WORDS = ("CUDA error", "CUDA driver error", "cuDNN error", "DefaultCPUAllocator", "out of memory")
"""not every such error has a type of its own"""


def of_device(error: BaseException) -> bool:
    """Whether an error is the device's own: memory that has run out, or a fault after which it does nothing more. It
    says nothing about a network; another way to compute it would hide that, and fail as well."""
    of_its_own = isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError)
    return of_its_own or any(each in str(error) for each in WORDS)
