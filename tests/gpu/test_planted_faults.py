"""Faults that a GPU would punish or, worse, not: each is planted into the program that trains there, and is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.training import fused_step_kernels as kernels
from distnlc.training.fused_program import FusedProgram
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start, start_of

SPEC = TrainingSpec(batch_size=20)
POINTS, RATES = 60, (1e-3, 1e-2, 1e-2)
ILLEGAL, NOT_PERMITTED = "illegal memory access", "not permitted when stream is capturing"
Fault = Callable[[FusedProgram], None]


def start() -> Start:
    architecture = sample_architecture(3, seed=5, d_in=12, d_out=4, parameters=200, depth_max=3)
    return start_of(architecture.build(), loss_scale=0.7, seed=1).expanded(len(RATES))


def on_gpu(start: Start) -> Start:
    return replace(start, **{name: getattr(start, name).cuda() for name in ("rows", "buffers", "loss_scale")})


def train_beside_the_cpu(fault: Fault) -> None:
    """Three epochs, the last without the second run. Raises AssertionError where the numbers differ."""
    cpu, gpu = LayeredProgram(start(), SPEC), FusedProgram(on_gpu(start()), SPEC)
    fault(gpu)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(POINTS, 12, generator=generator, dtype=torch.float64)
    data = inputs, torch.randint(4, (POINTS,), generator=generator)
    there, rates = [tensor.cuda() for tensor in data], torch.tensor(RATES, dtype=torch.float64)[:, None]
    for epoch in range(3):
        if epoch == 2:
            rows, rates = torch.tensor([0, 2]), rates[[0, 2]]
            cpu.keep(rows)
            gpu.keep(rows.cuda())
        order = torch.randperm(POINTS, generator=generator)[None]
        losses = gpu.train(*there, order.cuda(), rates.cuda()).cpu()
        torch.testing.assert_close(losses, cpu.train(*data, order, rates), rtol=1e-9, atol=0)
        torch.testing.assert_close(gpu.plain(gpu.flat).cpu(), cpu.flat, rtol=1e-9, atol=1e-12)
        assert torch.equal(torch.stack(gpu.count_errors(*there)).cpu(), torch.stack(cpu.count_errors(*data)))


def after_each_step(change: Fault) -> Fault:
    """The fault that this comes behind every step, in the capture too."""

    def fault(program: FusedProgram) -> None:
        step = program.train_step

        def changed() -> None:
            step()
            change(program)

        program.train_step = changed

    return fault


def rebinds_a_buffer(program: FusedProgram) -> None:
    program._losses = program._losses + 1


def indexes_by_a_host_tensor(program: FusedProgram) -> None:
    program.flat[torch.tensor([0])]


def takes_what_a_mask_chooses(program: FusedProgram) -> None:
    program._losses[program._losses > 1]


def reads_a_value(program: FusedProgram) -> None:
    float(program._losses.sum())


def takes_new_memory_for_each_epoch(program: FusedProgram) -> None:
    """And leaves the graph with the address of the old one."""
    train = program.train

    def changed(inputs: torch.Tensor, labels: torch.Tensor, orders: torch.Tensor, rates: torch.Tensor) -> torch.Tensor:
        if program._trained is not None:
            program._trained.orders = orders.clone()
        return train(inputs, labels, orders, rates)

    program.train = changed


def keeps_its_graph_when_runs_leave(program: FusedProgram) -> None:
    bind = program._bind

    def changed() -> None:
        step, data, place = program._train, program._trained, program._inputs
        bind()
        program._train, program._trained, program._inputs = step, data, place

    program._bind = changed


def gives_a_kernel_memory_of_the_host(program: FusedProgram) -> None:
    program._step = program._step.cpu()


def launches_another_kernel_in_the_capture(_program: FusedProgram) -> None:
    if torch.cuda.is_current_stream_capturing():
        kernels.advance[(1,)](torch.zeros(1, dtype=torch.int32, device="cuda"))


def gives_a_kernel_less_memory_than_it_writes(program: FusedProgram) -> None:
    program._losses = program.flat.new_zeros(1)


def test_without_a_fault_the_numbers_are_the_cpu_s() -> None:
    train_beside_the_cpu(lambda _: None)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (after_each_step(reads_a_value), NOT_PERMITTED),
        (after_each_step(indexes_by_a_host_tensor), NOT_PERMITTED),
        (after_each_step(takes_what_a_mask_chooses), NOT_PERMITTED),
        (after_each_step(launches_another_kernel_in_the_capture), NOT_PERMITTED),
        (after_each_step(rebinds_a_buffer), ILLEGAL),
        (takes_new_memory_for_each_epoch, ILLEGAL),
        (keeps_its_graph_when_runs_leave, ILLEGAL),
        (gives_a_kernel_memory_of_the_host, "cannot be accessed from Triton"),
        (gives_a_kernel_less_memory_than_it_writes, ILLEGAL),
    ],
)
def test_a_planted_fault_is_found(fault: Fault, found: str) -> None:
    with pytest.raises((torch.AcceleratorError, ValueError, IndexError), match=found):
        train_beside_the_cpu(fault)
