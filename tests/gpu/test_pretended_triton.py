"""Triton's kernels on the pretended GPU: values, captures, and what a GPU refuses."""

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor

from tests.gpu.pretended import Machine

F64 = {"dtype": torch.float64, "device": "cuda"}


@triton.jit
def scale_rows(source, target, factor: tl.float64, columns, stride, WIDTH: tl.constexpr):
    """target[row] = factor * source[row], where the rows of both lie `stride` apart."""
    places = tl.arange(0, WIDTH)
    row = tl.program_id(0) * stride + places
    values = tl.load(source + row, mask=places < columns, other=0.0)
    tl.store(target + row, factor * values, mask=places < columns)


@triton.jit
def scale_in_single_precision(target, factor, WIDTH: tl.constexpr):
    places = tl.arange(0, WIDTH)
    tl.store(target + places, factor * tl.load(target + places))


def doubled(source: Tensor, target: Tensor) -> None:
    """Two times the source's rows, which may be views of longer ones."""
    rows, columns = source.shape
    scale_rows[(rows,)](source, target, 2.0, columns, source.stride(0), WIDTH=8)


def table() -> Tensor:
    return torch.arange(20.0, dtype=torch.float64).view(4, 5)


def test_a_kernel_reads_and_writes_the_device_s_memory_through_views_too() -> None:
    source, target = table().cuda(), torch.zeros(4, 5, **F64)
    doubled(source[1:3, 1:4], target[2:, 2:])
    expected = torch.zeros(4, 5, dtype=torch.float64)
    expected[2:, 2:] = 2 * table()[1:3, 1:4]
    assert torch.equal(target.cpu(), expected)


def test_a_captured_launch_is_repeated_by_every_replay(gpu: Machine) -> None:
    source, target = table().cuda(), torch.zeros(4, 5, **F64)
    doubled(source, target)
    target.zero_()
    gpu.begin()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        doubled(source, target)
        source.add_(1)
    assert not target.cpu().any()
    graph.replay()
    graph.replay()
    assert torch.equal(target.cpu(), 2 * (table() + 1))
    assert (gpu.count.eager_kernels, gpu.count.graph_kernels, gpu.count.replays) == (0, 4, 2)
    assert graph.names["scale_rows"] == 1
    assert graph.work.bytes == 3 * 20 * 8, "two of the kernel, one of the addition in place"


def test_a_tensor_of_the_host_is_no_argument() -> None:
    with pytest.raises(ValueError, match=r"cannot be accessed from Triton \(cpu tensor\?\)"):
        doubled(table().cuda(), table())


def test_a_replay_whose_kernel_writes_freed_memory_loses_the_device() -> None:
    source, target = table().cuda(), torch.zeros(4, 5, **F64)
    doubled(source, target)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        doubled(source, target)
    del target
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        graph.replay()


def test_a_kernel_s_first_launch_is_not_captured() -> None:
    target = torch.ones(8, **F64)
    with (
        pytest.raises(torch.AcceleratorError, match="first launch of the kernel scale_in_single_precision"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        scale_in_single_precision[(1,)](target, 3.0, WIDTH=8)


def test_a_python_float_reaches_a_kernel_in_single_precision_unless_its_annotation_says_double() -> None:
    source, target = torch.ones(1, 8, **F64), torch.ones(1, 8, **F64)
    scale_in_single_precision[(1,)](target, 0.1, WIDTH=8)
    assert target[0, 0].item() == torch.tensor(0.1, dtype=torch.float32).double().item()
    scale_rows[(1,)](source, target, 0.1, 8, 8, WIDTH=8)
    assert target[0, 0].item() == 0.1


def test_a_grid_has_limits() -> None:
    with pytest.raises(RuntimeError, match="invalid argument"):
        scale_in_single_precision[(1, 70_000)](torch.ones(8, **F64), 3.0, WIDTH=8)


def test_a_grid_may_depend_on_the_arguments() -> None:
    source, target = table().cuda(), torch.zeros(4, 5, **F64)
    scale_rows[lambda given: (given["columns"] - 1,)](source, target, 2.0, 5, 5, WIDTH=8)
    assert torch.equal(target.cpu(), 2 * table())
