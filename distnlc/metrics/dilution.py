"""Dilution of a residual block: how much of the signal goes past it, through the skip connection.
(Philipp, Song & Carbonell 2017, section 7; gradient_scale.md says what it does to the gradient.)

In: the block rho, the skip connection S that bypasses it, and signals v that arrive at both (batch, ...). Out:
k = Q ||S v|| / Q ||rho(v)||, Q the quadratic mean over datapoints. Where the text is silent: batch norm in the block
uses the statistics of all the inputs in training, and the running ones in evaluation.
"""

import math

import torch
from torch import Tensor

from distnlc.metrics.gradient_scale import quadratic_mean
from distnlc.metrics.measurable import Network, UnmeasurableError, shown, undisturbed
from distnlc.metrics.passes import OUTPUT, called, checked_finite, prepared, type_name
from distnlc.metrics.taps import Tap


@undisturbed()
def dilution(block: Network, skip: Network, inputs: Tensor) -> float:
    """Return k; infinite for a block that gives zeros.

    block: what the skip connection bypasses, without the sum. skip: `nn.Identity()`, or a module or another callable;
    of a matrix `lambda v: v @ matrix.T`. inputs: (batch, ...), what arrives at the block. Nothing that is given
    changes; dropout is left out (see measurable.py). Raises ValueError for inputs, or a block or skip connection, that
    cannot be measured, and for outputs of two shapes, which no sum could follow.
    """
    through, past = _outputs(block, inputs), _outputs(skip, inputs)
    if through.shape != past.shape:
        raise UnmeasurableError(f"the block returns {shown(through)}, but the skip connection {shown(past)}")
    passed, bypassed = quadratic_mean(through), quadratic_mean(past)
    return bypassed / passed if passed else math.inf if bypassed else math.nan


@torch.no_grad()
def _outputs(network: Network, inputs: Tensor) -> Tensor:
    """Raises UnmeasurableError."""
    inputs, function, module = prepared(network, inputs, at_least=1)
    outputs = called(function, module, inputs.clone(), lambda *_: None)
    checked_finite(Tap(OUTPUT, type_name(module)), outputs)
    return outputs
