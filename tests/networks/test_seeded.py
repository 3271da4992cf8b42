"""Global generators begin at the seed, stand where they stood afterwards, and no call leaves anything behind."""

import random

import numpy as np
import torch

from distnlc.networks.seeded import seeded


def drawn() -> tuple[float, float, float]:
    return torch.rand(1).item(), np.random.rand(), random.random()


def test_global_generators_begin_at_the_seed_and_stand_where_they_stood_afterwards() -> None:
    with seeded(1, "cpu"):
        first, next_one = drawn(), drawn()
        with seeded(2, "cpu"):
            other = drawn()
    with seeded(1, "cpu"):
        assert drawn() == first
        with seeded(2, "cpu"):
            assert drawn() == other
        assert drawn() == next_one
    assert len({first, next_one, other}) == 3
    torch.manual_seed(1)
    with seeded(1, "cpu"):
        assert torch.rand(1).item() == first[0]
    assert torch.rand(1).item() == first[0], "the numbers are those of torch.manual_seed"


def test_nothing_is_kept_for_a_device_that_never_begins() -> None:
    """As `torch.manual_seed` keeps a stack trace of each call, megabytes in a long study."""
    kinds = [torch.xpu, torch.mtia, *([] if torch.cuda.is_available() else [torch.cuda])]
    before = [len(kind._queued_calls) for kind in kinds]
    with seeded(1, "cpu"):
        pass
    assert [len(kind._queued_calls) for kind in kinds] == before
