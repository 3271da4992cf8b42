"""Random numbers for code that draws from global generators: the same wherever and whenever it runs.

In: a seed, a device. Out: a context in which the global generators of torch, numpy and Python begin at that seed, as
they are where somebody calls `nn.Linear(...)` or `torch.randn(...)`; afterwards they stand where they stood.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int, device: torch.device | str) -> Iterator[None]:
    """`seed` in [0, 2^63); `device`: the one whose generator is held, beside the CPU's."""
    device = torch.device(device)
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.default_generator.manual_seed(seed)
            if torch.cuda.is_available():
                # not by `torch.manual_seed`, which keeps a stack trace of every call for each device that never begins
                torch.cuda.manual_seed_all(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
