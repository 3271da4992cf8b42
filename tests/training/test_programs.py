"""The two programs of a population side by side: at the studies' batch size, in float32, at the ends of the numbers,
and what happens where the native one cannot be had."""

import ctypes
import gc
import logging
import subprocess
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from distnlc.networks.activations import FUNCTIONS
from distnlc.networks.architecture import Architecture
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.training import native_library, once
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.native_form import ACTIVATIONS, Network
from distnlc.training.native_library import NoLibrary
from distnlc.training.native_program import NativeProgram
from distnlc.training.programs import make_program, program_name
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start, start_of

SPEC = TrainingSpec()
POINTS = 2 * SPEC.batch_size


def drawn(index: int, **changes: object) -> Architecture:
    return replace(sample_architecture(index, seed=5, d_in=20, d_out=4, parameters=2_000, depth_max=9), **changes)


def start_for(architecture: Architecture, members: int = 1, dtype: torch.dtype = torch.float64) -> Start:
    return start_of(architecture.build().to(dtype), loss_scale=0.7, seed=1).expanded(members)


IN_ORDER = torch.arange(POINTS)[None]


def points(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(20, POINTS, generator=generator, dtype=torch.float64).T.to(dtype)
    return inputs, torch.randint(4, (POINTS,), generator=generator)


def test_sampled_architectures_train_alike() -> None:
    """Whatever the sampler draws, at the studies' batch size, which fills no whole number of vectors."""
    inputs, labels = points()
    for index in range(40):
        start, rates = start_for(drawn(index), 3), torch.tensor([1e-4, 1e-3, 1e-2], dtype=torch.float64)
        fast, slow = NativeProgram(start, SPEC), LayeredProgram(start, SPEC)
        torch.testing.assert_close(
            fast.train(inputs, labels, IN_ORDER, rates[:, None]),
            slow.train(inputs, labels, IN_ORDER, rates[:, None]),
            rtol=1e-10,
            atol=0,
        )
        torch.testing.assert_close(fast.flat, slow.flat, rtol=1e-8, atol=1e-10)
        found, expected = (torch.stack(one.count_errors(inputs, labels)) for one in (fast, slow))
        assert torch.equal(found, expected)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_float32_trains_alike_too(optimizer: str) -> None:
    spec, (inputs, labels) = SPEC.model_copy(update={"optimizer": optimizer}), points(torch.float32)
    for index in range(8):
        start, rates = start_for(drawn(index, activation="tanh"), 2, torch.float32), torch.tensor([1e-5, 1e-3])
        fast, slow = NativeProgram(start, spec), LayeredProgram(start, spec)
        losses = (
            fast.train(inputs, labels, IN_ORDER, rates[:, None]),
            slow.train(inputs, labels, IN_ORDER, rates[:, None]),
        )
        torch.testing.assert_close(losses[0].float(), losses[1].float(), rtol=1e-3, atol=1e-5)
        moved = (slow.flat - start.rows).abs().mean(1, keepdim=True)
        assert ((fast.flat - slow.flat).abs() < 0.1 * moved).double().mean() > 0.9


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_the_activations_in_c_equal_those_in_torch_to_rounding_over_all_sizes(name: str) -> None:
    sizes = torch.logspace(-300, 150, 4_000, dtype=torch.float64)
    near = torch.linspace(-45, 45, 20_001, dtype=torch.float64)
    signal = torch.cat([sizes, -sizes, near, torch.tensor([0.0, -0.0, 800.0, -800.0, 1e300, -1e300])])
    for dilation, shift, debiased in ((1.0, 0.0, False), (0.8, 0.3, True)):
        architecture = drawn(0, activation=name, dilation=dilation, shift=shift, debiased=debiased)
        value, slope = (torch.empty_like(signal) for _ in range(2))
        program_ = NativeProgram(start_for(architecture), SPEC)
        network = Network.from_buffer_copy(program_._network)
        network.batch = len(signal)
        pointers = (ctypes.c_void_p(t.data_ptr()) for t in (signal, value, slope))
        program_._c.activate(ctypes.byref(network), ctypes.byref(program_._layers[0]), *pointers)
        expected, expected_slope = (torch.empty_like(signal) for _ in range(2))
        architecture.activation_function.value_and_slope(signal, expected, expected_slope)
        smallest = 2e-15 if debiased else 1e-300  # what is left of a sum is not relative to its result
        torch.testing.assert_close(value, expected, rtol=2e-15, atol=smallest, equal_nan=True)
        torch.testing.assert_close(slope, expected_slope, rtol=1e-14, atol=2e-15, equal_nan=True)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_signal_that_is_not_finite_is_never_hidden(name: str, bad: float) -> None:
    """Both programs must call the same epochs diverged, whatever an activation does to infinity."""
    inputs, labels = points()
    inputs[300, 3] = bad
    for normalization in ("none", "batch", "layer"):
        start = start_for(drawn(1, activation=name, normalization=normalization))
        rates = torch.tensor([1e-3], dtype=torch.float64)
        fast, slow = (kind(start, SPEC) for kind in (NativeProgram, LayeredProgram))
        assert torch.equal(*(one.train(inputs, labels, IN_ORDER, rates[:, None]).isfinite() for one in (fast, slow)))
        assert torch.equal(*(one.count_errors(inputs, labels)[1] for one in (fast, slow)))


@pytest.mark.parametrize("kind", [NativeProgram, LayeredProgram])
def test_the_memory_of_a_program_is_free_as_soon_as_nobody_holds_it(kind: type) -> None:
    """On a GPU the next population's buffers come right after; Python's search for cycles does not know how large."""
    inputs, labels = points()
    start = start_for(drawn(0))
    made = kind(start, SPEC)
    made.train(inputs, labels, IN_ORDER, torch.tensor([[1e-3]], dtype=torch.float64))
    made.count_errors(inputs, labels)
    held = weakref.ref(made)
    gc.disable()
    try:
        del made
        assert held() is None
    finally:
        gc.enable()


def test_inputs_that_c_would_misread_are_refused() -> None:
    inputs, labels = points()
    native = NativeProgram(start_for(drawn(0)), SPEC)
    for wrong in (inputs.T, inputs.float(), inputs[::2][:-1], inputs[:, :-1]):
        with pytest.raises(
            ValueError, match=r"inputs must be \(points, 20\) of torch.float64, in whole batches of 250"
        ):
            native.count_errors(wrong, labels)
    with pytest.raises(ValueError, match="labels must be contiguous int64 of 500 points"):
        native.count_errors(inputs, labels[:-1])
    with pytest.raises(ValueError, match=r"labels must .* from 0 to 3"):
        native.count_errors(inputs, labels + 1)
    with pytest.raises(ValueError, match="a rate for each of 1 members, found 2"):
        native.train(inputs, labels, IN_ORDER, torch.ones(2, 1, dtype=torch.float64))


@contextmanager
def without() -> Iterator[None]:
    """A machine on which something is missing: the caches of the search for it are emptied before and after."""
    caches = native_library._attempt, native_library.openblas, once.warn_once
    try:
        for cached in caches:
            cached.cache_clear()
        yield
    finally:
        for cached in caches:
            cached.cache_clear()


def test_without_a_compiler_training_warns_once_and_goes_on_in_torch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    start = start_for(drawn(0))
    with without(), caplog.at_level(logging.WARNING):
        made = [make_program(start, SPEC) for _ in range(2)]
        assert (
            program_name(drawn(0, activation="relu").layered, SPEC, "cpu", torch.float64) == "cpu"
        )  # no checkpoint goes from one to the other
    assert [type(one) for one in made] == [LayeredProgram, LayeredProgram]
    assert [record.message for record in caplog.records] == [
        "the CPU trains and measures in plain torch, two to four times slower: no C compiler was found "
        "(set CC, or install gcc or clang)"
    ]


def test_an_activation_function_that_c_does_not_know_is_trained_in_torch_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(ACTIVATIONS, "tanh")
    start = start_for(drawn(0, activation="tanh"))
    with without(), caplog.at_level(logging.WARNING):
        assert isinstance(make_program(start, SPEC), LayeredProgram)
        assert program_name(drawn(0, activation="relu").layered, SPEC, "cpu", torch.float64) == "native"
    (warning,) = caplog.records
    assert warning.message.endswith("slower: native.c does not know the activation function 'tanh'")


@pytest.mark.parametrize("number", [-1, max(ACTIVATIONS.values()) + 1])
def test_c_refuses_a_number_of_an_activation_function_that_it_does_not_have(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ACTIVATIONS, "tanh", number)
    start = start_for(drawn(0, activation="tanh"))
    with pytest.raises(NoLibrary, match=r"native\.c does not know a network of layers .*tanh"):
        NativeProgram(start, SPEC)


def test_a_compiler_that_fails_is_quoted_and_not_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "native.c"
    source.write_text("this is not C\n")
    monkeypatch.setattr(native_library, "SOURCE", source)
    with without():
        for _ in range(2):
            with pytest.raises(NoLibrary, match=r"cannot compile native\.c: .*error"):
                native_library.library(torch.float64)
            monkeypatch.undo()


def test_a_library_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As from a folder mounted without permission to execute, or after a crash while it was written."""
    torn = tmp_path / "native.so"
    torn.write_bytes(b"torn")
    monkeypatch.setattr(native_library, "_compiled", lambda *_: torn)
    with without(), pytest.raises(NoLibrary, match=r"native\.so cannot be loaded"):
        native_library.library(torch.float64)


@pytest.mark.parametrize("told", ["flags\t\t: fpu avx2\n", "Features\t: asimd sve\n"])
def test_processors_of_a_cluster_are_told_apart_by_their_instruction_sets(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On x86 and on ARM: code for one that another found compiled would end its process."""
    monkeypatch.setattr(Path, "read_text", lambda _, **_how: f"processor\t: 0\n{told}\nprocessor\t: 1\n{told}")
    assert native_library._processor_flags() == set(told.partition(":")[2].split())


def test_of_workers_that_compile_at_once_the_first_ones_library_stays_and_is_found_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(native_library, "cache_folder", lambda: tmp_path)
    compiled = []

    def compile_slowly(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if "-o" in command:
            made = Path(command[command.index("-o") + 1])
            made.write_text("second")
            (tmp_path / made.name).write_text("first")
            compiled.append(made.name)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", compile_slowly)
    for _ in range(2):
        assert native_library._compiled(native_library.SOURCE, ["-DREAL=double"]).read_text() == "first"
    assert len(list(tmp_path.iterdir())) == len(compiled) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop-tf1"])
def test_a_gpu_trains_as_the_cpu_does(optimizer: str) -> None:
    spec, data = SPEC.model_copy(update={"optimizer": optimizer}), points()
    there = [tensor.cuda() for tensor in (*data, IN_ORDER)]
    for index in range(10):
        start = start_for(drawn(index), 4)
        tensors = {name: getattr(start, name).cuda() for name in ("rows", "buffers", "loss_scale")}
        rates = torch.tensor([[1e-4], [1e-3], [1e-3], [1e-2]], dtype=torch.float64)
        cpu, cuda = LayeredProgram(start, spec), LayeredProgram(replace(start, **tensors), spec)
        for kept in ([0, 1, 2, 3], [0, 3]):
            rows, rates = torch.tensor(kept), rates[kept]
            cpu.keep(rows)
            cuda.keep(rows.cuda())
            for _ in range(2):
                losses = cpu.train(*data, IN_ORDER, rates), cuda.train(*there, rates.cuda()).cpu()
                torch.testing.assert_close(*losses, rtol=1e-9, atol=0)
            torch.testing.assert_close(cuda.flat.cpu(), cpu.flat, rtol=1e-7, atol=1e-9)
            assert torch.equal(torch.stack(cpu.count_errors(*data)), torch.stack(cuda.count_errors(*there[:2])).cpu())


@pytest.mark.parametrize(("shared", "layered"), [(1, False), (3, True)])
@pytest.mark.parametrize(
    ("optimizer", "networks"), [("sgd", 4), *((each, 1) for each in ("momentum", "adam", "adam-tf1", "rmsprop-tf1"))]
)
def test_steps_can_be_captured_as_cuda_graphs(optimizer: str, networks: int, shared: int, layered: bool) -> None:
    """On tensors without values, a step that asked the host for one would raise; and what it works on must stay. The
    optimizer's part of it does not depend on the network."""
    spec = SPEC.model_copy(update={"optimizer": optimizer})
    for index in range(networks):
        start = start_for(drawn(index), 3)
        with FakeTensorMode(allow_non_fake_inputs=True):
            empty = {
                name: torch.empty(getattr(start, name).shape, dtype=torch.float64)
                for name in ("rows", "buffers", "loss_scale")
            }
            program = LayeredProgram(replace(start, **empty), spec)
            program._make_place(shared, layered)
            before = {id(tensor) for tensor in vars(program).values() if isinstance(tensor, Tensor)}
            program.train_step()
            program.count_step()
            assert before == {id(tensor) for tensor in vars(program).values() if isinstance(tensor, Tensor)}
