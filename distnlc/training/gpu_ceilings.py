"""The ceilings of this machine's GPU, measured in a second or two: what `gpu_model` calculates with."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from distnlc.training.gpu_model import CACHE_SHARE, H200, Ceilings

REPETITIONS = 5
PRODUCT = 4096
"""rows, columns and inner dimension of the product that stands for the peak"""
COPIED = 1 << 27
"""numbers of a copy that no cache holds; one of half the cache's size stays in it"""
KERNELS = 1000


def median_s(work: Callable[[], Any], repetitions: int = REPETITIONS) -> float:
    """The wall time of the work with all that the GPU does for it, after one time that does not count."""
    found = []
    for _ in range(repetitions + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        torch.cuda.synchronize()
        found.append(time.perf_counter() - began)
    return statistics.median(found[1:])


def in_a_graph(work: Callable[[], Any], times: int) -> Callable[[], None]:
    """The work, so many times in one CUDA graph; it must write to memory that stays where it is."""
    work()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            work()
    return graph.replay


def measured(dtype: torch.dtype, *, product: int = PRODUCT, copied: int = COPIED, kernels: int = KERNELS) -> Ceilings:
    """The present device's. `product`, `copied`, `kernels`: how much is done."""
    made: dict[str, Any] = {"dtype": dtype, "device": "cuda"}
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    number, matrices = torch.zeros(1, **made), [torch.zeros(product, product, **made) for _ in range(3)]
    for matrix in matrices:
        matrix.normal_()
    product_s = median_s(lambda: torch.mm(matrices[0], matrices[1], out=matrices[2]))
    launch_s = median_s(lambda: [number.add_(1) for _ in range(kernels)]) / kernels
    kernel_s = median_s(in_a_graph(lambda: number.add_(1), kernels)) / kernels
    rates = []
    cache_bytes = float(getattr(properties, "L2_cache_size", 0) or H200.cache_bytes / CACHE_SHARE)
    for numbers in (copied, min(copied, int(cache_bytes / 4 / number.element_size()))):
        source, target = (torch.zeros(numbers, **made) for _ in range(2))
        times = max(1, copied // numbers)
        copy_s = median_s(in_a_graph(lambda a=source, b=target: b.copy_(a), times)) / times  # type: ignore[misc]
        rates.append(2 * numbers * number.element_size() / max(copy_s - kernel_s, copy_s / 10))
    return Ceilings(
        torch.cuda.get_device_name(),
        kernel_s=kernel_s,
        launch_s=launch_s,
        memory_bytes_s=rates[0],
        cache_bytes_s=max(rates),
        cache_bytes=cache_bytes * CACHE_SHARE,
        product_flops_s=2 * product**3 / product_s,
        processors=properties.multi_processor_count,
    )
