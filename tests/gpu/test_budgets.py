"""What training may cost a GPU, counted: kernels a step by depth, launches and reads by the host an epoch."""

import weakref
from dataclasses import replace

import pytest
import torch

from distnlc.networks.architecture import Architecture
from distnlc.training.fused_program import FusedProgram
from distnlc.training.programs import make_program
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start, start_of
from distnlc.training.trainer import PopulationTrainer
from tests.gpu.pretended import Machine
from tests.helpers.plain_training import SKIPS, small_data

SPEC = TrainingSpec(batch_size=20)
KERNELS_A_HIDDEN_LAYER = 6
READS_AN_EPOCH = 3
"""the losses, the errors, and whether all outputs were finite"""
LAUNCHES_AN_EPOCH = 20
"""besides the minibatches' graphs: orders, rates and sums, the best state copied where a run improves"""
DEPTHS = (3, 5, 7)


def start(depth: int, normalization: str = "batch", skips: tuple[float, str] = SKIPS[0]) -> Start:
    size = {"index": 0, "seed": 7, "d_in": 6, "d_out": 3, "depth": depth, "width": 4}
    kinds = {"activation": "tanh", "normalization": normalization}
    drawn = Architecture(**size, **kinds, skip_strength=skips[0], skip_start=skips[1])
    made = start_of(drawn.build(), seed=3)
    return replace(made, **{name: getattr(made, name).cuda() for name in ("rows", "buffers", "loss_scale")})


def kernels_of_a_step(gpu: Machine, start: Start, optimizer: str) -> int:
    """Those of the captured graph that trains on a minibatch."""
    data, rates = small_data().to("cuda", torch.float64), torch.full((2, 1), 1e-3, device="cuda", dtype=torch.float64)
    program = make_program(start.expanded(2), SPEC.model_copy(update={"optimizer": optimizer}))
    order = torch.arange(40, device="cuda")[None]
    kernels, replays = gpu.count.graph_kernels, gpu.count.replays
    program.train(data.train_inputs, data.train_labels, order, rates)  # the first minibatch is the warm-up
    assert gpu.count.replays == replays + 1
    return gpu.count.graph_kernels - kernels


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("normalization", "skips"), [("none", SKIPS[0]), ("batch", SKIPS[1]), ("layer", SKIPS[0]), ("layer", SKIPS[2])]
)
def test_a_training_step_takes_at_most_six_kernels_a_hidden_layer(
    gpu: Machine, normalization: str, skips: tuple[float, str], optimizer: str
) -> None:
    kernels = [kernels_of_a_step(gpu, start(depth, normalization, skips), optimizer) for depth in DEPTHS]
    slopes = [(b - a) / (e - d) for a, b, d, e in zip(kernels, kernels[1:], DEPTHS, DEPTHS[1:], strict=False)]
    assert slopes[0] == slopes[1] <= KERNELS_A_HIDDEN_LAYER, f"{kernels} kernels at depths {DEPTHS}"
    assert kernels[0] <= 2 * KERNELS_A_HIDDEN_LAYER + 12, "the ends of the network, and of the step"


def test_an_epoch_takes_one_launch_a_minibatch_and_few_more_at_any_depth(gpu: Machine) -> None:
    spec, data = SPEC, small_data().to("cuda", torch.float64)
    for depth in (3, 5):
        trainer = PopulationTrainer(start(depth), data, [1e-4, 1e-3], spec)
        trainer.epoch()  # captures
        trainer.epoch()
        before = replace(gpu.count)
        trainer.epoch()
        assert gpu.count.host_reads - before.host_reads <= READS_AN_EPOCH, gpu.count.reads
        assert gpu.count.captures == before.captures
        minibatches = (len(data.train_labels) + len(data.validation_labels)) // spec.batch_size
        assert gpu.count.replays - before.replays == minibatches
        assert gpu.count.eager_kernels - before.eager_kernels <= LAUNCHES_AN_EPOCH, gpu.count.eager


def test_the_graphs_of_members_that_have_left_go_at_once() -> None:
    """With what their pools hold, before others are captured."""
    data, rates = small_data().to("cuda", torch.float64), torch.full((2, 1), 1e-3, device="cuda", dtype=torch.float64)
    program = FusedProgram(start(3).expanded(2), SPEC)
    program.train(data.train_inputs, data.train_labels, torch.arange(40, device="cuda")[None], rates)
    program.count_errors(data.train_inputs, data.train_labels)
    graphs = [weakref.ref(vars(call)["_graph"]) for call in (program._train, program._count)]
    assert None not in [graph() for graph in graphs]
    program.keep(torch.tensor([0], device="cuda"))
    assert [graph() for graph in graphs] == [None, None]
