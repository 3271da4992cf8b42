"""What the pretended GPU does as a GPU does, and what it refuses; each fault that it must find is planted once."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from distnlc.training.captured import Captured
from tests.gpu.pretended import Machine

NOT_PERMITTED = "not permitted when stream is capturing"


def made(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def captured(work: Callable[[], object]) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph


def test_values_are_the_cpu_s_bit_by_bit() -> None:
    left, right = made(3, 4, 5), made(3, 5, 2, seed=1)
    there = torch.bmm(left.cuda(), right.to("cuda")).softmax(1)[:, 1:].mT
    assert there.device == torch.device("cuda:0")
    assert torch.equal(there.cpu(), torch.bmm(left, right).softmax(1)[:, 1:].mT)


def test_modules_autograd_and_vmap_work() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    points = made(6, 4)
    expected = torch.autograd.grad(module(points).sum(), list(module.parameters()))
    outputs = torch.vmap(module.to("cuda"))(points.cuda()[:, None])
    found = torch.autograd.grad(outputs.sum(), list(module.parameters()))
    for gradients in zip(found, expected, strict=True):
        torch.testing.assert_close(gradients[0].cpu(), gradients[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda there: there + torch.ones(3, dtype=torch.float64),
        lambda there: torch.add(torch.ones(3, dtype=torch.float64), 1, out=there) + torch.ones(3),
        lambda there: torch.stack([there, torch.ones(3, dtype=torch.float64)]),
        lambda there: there.where(torch.tensor([True, False, True]), 0),
    ],
)
def test_operands_on_two_devices_are_refused(mistake: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(RuntimeError, match="found at least two devices"):
        mistake(made(3).cuda())


def test_single_numbers_of_the_host_meet_tensors_of_the_device() -> None:
    assert torch.equal((made(3).cuda() * torch.tensor(2.0)).cpu(), made(3) * 2)


def test_a_tensor_of_the_device_is_no_numpy_array() -> None:
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        made(3).cuda().numpy()


def test_a_generator_of_the_host_draws_nothing_on_the_device() -> None:
    with pytest.raises(RuntimeError, match="generator"):
        made(3).cuda().normal_(generator=torch.Generator())


def test_memory_that_nobody_wrote_is_full_of_nan() -> None:
    assert torch.empty(3, device="cuda").isnan().all()
    assert made(3).cuda().new_empty(2).isnan().all()


def test_a_replay_repeats_the_operations_on_the_same_memories() -> None:
    total, step = torch.zeros(3, device="cuda"), torch.ones(3, device="cuda")
    graph = captured(lambda: total.add_((step * 2).cumsum(0)))
    assert total.sum() == 0, "a capture computes nothing"
    graph.replay()
    step.fill_(10)
    graph.replay()
    assert total.tolist() == [22, 44, 66]


def test_what_a_capture_makes_has_no_values_before_the_replay() -> None:
    source, found = torch.ones(3, device="cuda"), []
    graph = captured(lambda: found.append(source + 1))
    assert found[0].isnan().all()
    graph.replay()
    assert found[0].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "mistake",
    [
        lambda there: there.sum().item(),
        lambda there: float(there[0]),
        lambda there: bool((there > 0).any()),
        lambda there: there.cpu(),
        lambda there: there.tolist(),
        lambda there: there[there > 0],
        lambda there: there.nonzero(),
        lambda there: there[torch.tensor([0, 1])],
        lambda there: there.copy_(torch.ones(3, dtype=torch.float64)),
        lambda there: torch.equal(there, there),
        lambda there: torch.tensor([1.0, 2.0], device=there.device),
        lambda _: torch.cuda.synchronize(),
    ],
)
def test_a_capture_permits_no_value_to_the_host_and_none_from_it(mistake: Callable[[Tensor], object]) -> None:
    there, graph = made(3).cuda(), torch.cuda.CUDAGraph()
    mistake(there)
    with pytest.raises(torch.AcceleratorError, match=NOT_PERMITTED), torch.cuda.graph(graph):
        mistake(there)
    with pytest.raises(RuntimeError, match="without a preceding successful capture"):
        graph.replay()


def test_a_mask_that_is_filled_with_a_number_tells_the_host_nothing(gpu: Machine) -> None:
    there = torch.tensor([1.0, -1.0, 2.0], device="cuda")

    def fill() -> None:
        there[there > 1] = 0.5

    captured(fill).replay()
    assert gpu.count.host_reads == 0
    assert there.tolist() == [1, -1, 0.5]


def test_a_replay_that_reads_freed_memory_loses_the_device(gpu: Machine) -> None:
    total, steps = torch.zeros(3, device="cuda"), [torch.ones(3, device="cuda")]
    graph = captured(lambda: total.add_(steps[0]))
    graph.replay()
    steps.clear()
    for work in (graph.replay, graph.replay, lambda: total + 1, lambda: torch.zeros(1, device="cuda")):
        with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
            work()
    gpu.begin()
    assert total.tolist() == [1, 1, 1]


def test_a_buffer_that_is_rebound_in_a_capture_is_found() -> None:
    class Sum:
        def __init__(self) -> None:
            self.total = torch.zeros(3, device="cuda")

        def step(self) -> None:
            self.total = self.total + 1

    owner = Sum()
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        captured(owner.step).replay()


def test_kernels_launches_and_reads_are_counted(gpu: Machine) -> None:
    weight, below = made(2, 3, 4).cuda(), made(2, 4, 5).cuda()
    out, bias = torch.empty(2, 3, 5, dtype=torch.float64, device="cuda"), made(2, 3, 1).cuda()
    gpu.begin()

    def step() -> None:
        torch.baddbmm(bias, weight, below, out=out)  # copies the bias, then multiplies
        out[:, 1:].mT.mul_(2)

    step()
    assert (gpu.count.eager_kernels, gpu.count.launches, gpu.count.flops) == (3, 3, 2 * 2 * 3 * 4 * 5)
    graph = captured(step)
    assert (gpu.count.kernels, gpu.count.captures, graph.work.kernels) == (3, 1, 3)
    for _ in range(10):
        graph.replay()
    assert (gpu.count.graph_kernels, gpu.count.launches, gpu.count.replays) == (30, 13, 10)
    assert gpu.count.host_reads == 0
    float(out.sum())
    out.cpu()
    assert (gpu.count.host_reads, gpu.count.copied_to_host_bytes) == (2, out.nbytes)


def test_memory_is_counted_while_somebody_holds_it_and_runs_out_at_its_limit(gpu: Machine) -> None:
    before = torch.cuda.memory_allocated()
    first = torch.zeros(1000, device="cuda")
    view = first[:10]
    assert torch.cuda.memory_allocated() - before == 4000
    del first
    assert torch.cuda.memory_allocated() - before == 4000
    gpu.memory.limit_bytes = before + 6000
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        view.new_zeros(1000)
    del view
    assert torch.cuda.memory_allocated() == before
    torch.zeros(1000, device="cuda")
    assert torch.cuda.max_memory_allocated() == before + 4000
    assert torch.cuda.mem_get_info() == (6000, before + 6000)


def test_a_graph_keeps_the_memory_that_was_taken_during_its_capture() -> None:
    source, before = torch.ones(1000, device="cuda"), torch.cuda.memory_allocated()
    graph = captured(lambda: source.add_(source * 2))
    assert torch.cuda.memory_allocated() == before + 4000
    del graph
    assert torch.cuda.memory_allocated() == before


def test_the_device_draws_from_a_generator_of_its_own() -> None:
    there, of_host = torch.zeros(3, device="cuda"), torch.get_rng_state()
    torch.cuda.manual_seed(5)
    graph = captured(there.normal_)
    drawn = []
    for _ in range(2):
        graph.replay()
        drawn.append(there.tolist())
    assert drawn[0] != drawn[1]
    torch.cuda.manual_seed(5)
    assert torch.randn(3, device="cuda").tolist() == drawn[0]
    assert torch.equal(of_host, torch.get_rng_state())


def test_events_and_streams_are_there() -> None:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    beside = torch.cuda.Stream(torch.cuda.current_device())
    with torch.cuda.stream(beside):
        assert torch.cuda.current_stream() is beside
        begin.record()
        end.record()
    torch.cuda.current_stream().wait_stream(beside)
    torch.cuda.synchronize()
    assert begin.elapsed_time(end) >= 0
    assert torch.cuda.get_device_properties(0).name == torch.cuda.get_device_name()


def test_a_capture_that_an_error_has_cut_short_is_never_replayed() -> None:
    total, other, call = torch.zeros(1, device="cuda"), torch.zeros(1, device="cuda"), Captured()

    def work(*, fails: bool = False) -> None:
        total.add_(1)
        if fails:
            raise torch.OutOfMemoryError("CUDA out of memory")
        other.add_(1)

    call(work)
    with pytest.raises(torch.OutOfMemoryError):
        call(partial(work, fails=True))
    for _ in range(2):
        call(work)
    assert (total.item(), other.item()) == (3, 3)
