"""What the fused program covers, for the choice of a program; needs no Triton."""

from functools import cache

import torch

from distnlc.networks.layered import Layered
from distnlc.training.spec import StepSpec

ACTIVATIONS = frozenset(
    "relu selu tanh sigmoid even-tanh gaussian square odd-square relu6 hardtanh hardsigmoid".split()
)
"""the functions of `networks/activations.py` that `fused_kernels.tau` knows"""
MOST_POINTS, MOST_CLASSES = 1024, 1024
"""of a minibatch, and outputs, that a kernel's program holds at a time"""


def why_not_fused(network: Layered, spec: StepSpec) -> str:
    """What the fused program does not cover of a population; empty if it covers all of it."""
    if spec.batch_size > MOST_POINTS:
        return f"minibatches of {spec.batch_size} points; the fused program takes at most {MOST_POINTS}"
    if network.d_out > MOST_CLASSES:
        return f"{network.d_out} outputs; the fused program takes at most {MOST_CLASSES}"
    for number, layer in enumerate(network.layers, start=1):
        if layer.activation and layer.activation.name not in ACTIVATIONS:
            return f"the activation function {layer.activation.name!r} of layer {number} has no Triton code"
    return why_no_triton()


@cache
def why_no_triton() -> str:
    """Why Triton cannot be used on this process's GPU; empty if it can. Found by trial: it compiles at the first
    launch, with the machine's C compiler."""
    try:
        from distnlc.training.fused_step_kernels import advance

        counter = torch.zeros(1, dtype=torch.int64, device="cuda")
        advance[(1,)](counter)
        return "" if counter.item() == 1 else "a Triton kernel gives wrong results"
    except ImportError:
        return "Triton is not installed (torch brings it on Linux)"
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of Triton, of the compiler, of the driver
        return f"Triton does not work here ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
