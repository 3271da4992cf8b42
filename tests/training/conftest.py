"""Torch computes with one thread, as a unit does on a CPU; Triton's kernels run on the CPU where there is no GPU."""

from collections.abc import Iterator

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def kernels() -> Iterator[None]:
    """The kernels of the fused program run on CPU tensors; on a GPU, and on a pretended one, they run there."""
    if torch.cuda.is_available():
        yield
        return
    pytest.importorskip("triton", reason="Triton comes with Linux alone")
    from tests.helpers.vectorized_triton import vectorized

    with vectorized():
        yield
