"""What tests of checkpoints share: a unit's identity, and states compared bit by bit."""

from typing import Any

import torch

UNIT = {"unit_id": "u0", "part": {"seed": 3, "rates": [1e-3, 0.1]}, "device": "cpu"}


def bits(value: Any) -> Any:
    """A state in which equal means bit by bit."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape, value.cpu().numpy().tobytes()
    if isinstance(value, dict):
        return {key: bits(each) for key, each in value.items()}
    return [bits(each) for each in value] if isinstance(value, list) else repr(value)
