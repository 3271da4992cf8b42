"""All initial metrics of one function, by the names of their columns (catalog/ says what each one is)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor

from distnlc.metrics.correlation import correlation_preservation
from distnlc.metrics.gradients import input_gradients
from distnlc.metrics.lipschitz import local_lipschitz
from distnlc.metrics.measurable import Network
from distnlc.metrics.nlc import jacobian_norm, nlc_from
from distnlc.metrics.region import region_sizes
from distnlc.metrics.spec import MetricsSpec
from distnlc.metrics.spread import input_moments, output_moments
from distnlc.networks.loss import cross_entropy
from distnlc.spec import derive_seed


def measure_function(
    function: Network,
    inputs: Tensor,
    labels: Tensor | None,
    spec: MetricsSpec,
    *,
    loss_scale: float | None,
    batch_size: int,
    seed: int,
    begun: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The initial metrics that need only a function, no architecture, and the wall time of each.

    function: (batch, d_in...) -> (batch, d_out). inputs: (points, d_in...). labels: (points,); without them the
    gradients of the loss are left out. loss_scale: c of the loss; None: the quadratic mean of the outputs. begun: is
    told the name of each measurement's time as it begins.
    """
    derived = partial(derive_seed, "metrics", seed)
    measured: dict[str, Any] = {}
    watch = partial(timed, measured, begun=begun)

    with watch("jacobian_seconds"):
        jacobian = jacobian_norm(function, inputs, batch_size=batch_size, batches=spec.nlc_batches, seed=derived("nlc"))
    with watch("outputs_seconds"):
        outside = output_moments(function, inputs, batch_size=batch_size)
        measured["init_bias"] = float(outside.bias)
    measured["init_jacobian_norm"] = jacobian
    measured["init_nlc"] = nlc_from(jacobian, input_moments(inputs, batch_size=batch_size), outside)
    measured["init_loss_scale"] = float(outside.size) if loss_scale is None else loss_scale
    if labels is not None:
        with watch("gradients_seconds"):
            loss = partial(cross_entropy, loss_scale=measured["init_loss_scale"])
            gradients = input_gradients(function, inputs, labels, loss, batch_size=batch_size)
        measured["init_gradient_component"], measured["init_gradient_length"] = gradients
    with watch("cosines_seconds"):
        cosines = correlation_preservation(function, inputs, batch_size=batch_size, seed=derived("cosine"))
    measured["init_input_cosine"], measured["init_output_cosine"], measured["init_cosine_correlation"] = cosines
    if spec.walk_batches:
        walk = {"batch_size": batch_size, "batches": spec.walk_batches}
        with watch("lipschitz_seconds"):
            measured["init_local_lipschitz"] = local_lipschitz(function, inputs, **walk, seed=derived("lipschitz"))
        with watch("diameter_seconds"):
            sizes = region_sizes(
                function,
                inputs,
                **walk,
                input_directions=spec.walk_inputs,
                output_directions=spec.walk_outputs,
                seed=derived("diameter"),
            )
        measured["init_linear_region"], measured["init_relative_diameter"] = sizes
    return measured


@contextmanager
def timed(into: dict[str, Any], name: str, *, begun: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Writes the wall time of the block, in seconds, under that name. Each measurement ends in a float, which waits
    for a GPU."""
    begun(name)
    began = time.perf_counter()
    yield
    into[name] = time.perf_counter() - began
