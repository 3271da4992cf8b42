"""The choice of the program that trains a population: the fastest for the network, the device and the dtype.

    native    native_program.py and native.c: layered networks on CPUs, where a C compiler is at hand
    fused     fused_program.py: layered networks on GPUs, where Triton is at hand
    layered   layered_program.py: layered networks in torch operations, on every device
    module    module_program.py: any other torch module, by torch.func

All give the same results but for rounding.
"""

import torch
from torch import nn

from distnlc.networks.layered import Layered
from distnlc.training.fused_form import why_not_fused
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.module_program import ModuleProgram
from distnlc.training.native_form import check_known
from distnlc.training.native_library import NoLibrary, library
from distnlc.training.native_program import NativeProgram
from distnlc.training.once import warn_once
from distnlc.training.spec import StepSpec
from distnlc.training.start import Program, Start
from distnlc.versions import cpu_name


def make_program(start: Start, spec: StepSpec) -> Program:
    """The fastest program for a member for each row of `start`, whose numbers it copies."""
    name = program_name(start.network, spec, start.rows.device.type, start.rows.dtype)
    if name.startswith("module"):
        return ModuleProgram(start, spec)
    if name == "fused":
        from distnlc.training.fused_program import FusedProgram  # needs Triton

        return FusedProgram(start, spec)
    return NativeProgram(start, spec) if name == "native" else LayeredProgram(start, spec)


def program_name(network: Layered | nn.Module, spec: StepSpec, device: str, dtype: torch.dtype) -> str:
    """`native`, `fused`, the device of the layered program, or `module` and its device. The same name on equal hardware
    means the same rounding."""
    if not isinstance(network, Layered):
        return f"module {device}"
    if device == "cpu":
        try:
            check_known(network)
            library(dtype)
        except NoLibrary as reason:
            warn_once(f"the CPU trains and measures in plain torch, two to four times slower: {reason}")
        else:
            return "native"
    if device == "cuda":
        if not (fault := why_not_fused(network, spec)):
            return "fused"
        warn_once(f"the GPU trains by the plain program, several times slower: {fault}")
    return device


def processor(device: str) -> str:
    """The processor behind a torch device, for people: `NVIDIA H200`, `AMD EPYC 9B45 (CPU)`."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{cpu_name()} (CPU)"
