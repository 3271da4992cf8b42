"""The choice of the program that trains a population: the fastest for the device, the dtype and the network.

There are two, with the same results but for rounding: `mlp_program.py` in torch for every device, and
`native_program.py` in C, faster on CPUs, where a C compiler is at hand.
"""

import logging
from functools import cache

import torch
from torch import Tensor

from distnlc.training.mlp_program import MLPProgram
from distnlc.training.native_library import NoLibrary, library
from distnlc.training.native_program import NativeProgram, activation_number
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Program, Start
from distnlc.versions import cpu_name

log = logging.getLogger(__name__)


def make_program(start: Start, rows: Tensor, spec: TrainingSpec) -> Program:
    """The fastest program for the device and dtype of `rows` (population, parameters), which it copies."""
    native = program_name(start.architecture.activation, rows.device.type, rows.dtype) == "native"
    return NativeProgram(start, rows, spec) if native else MLPProgram(start, rows, spec)


def program_name(activation: str, device: str, dtype: torch.dtype) -> str:
    """`native`, or the torch program's device. The same name on equal hardware means the same rounding."""
    if device == "cpu":
        try:
            activation_number(activation)
            library(dtype)
        except NoLibrary as reason:
            warn_once(str(reason))
        else:
            return "native"
    return device


def processor(device: str) -> str:
    """The processor behind a torch device, for people: `NVIDIA H200`, `AMD EPYC 9B45 (CPU)`."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{cpu_name()} (CPU)"


@cache
def warn_once(reason: str) -> None:
    log.warning("the CPU trains and measures in plain torch, two to four times slower: %s", reason)
