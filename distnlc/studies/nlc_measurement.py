"""What the NLC study measures of a network before and after training: columns of `ArchitectureRow` by name."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from distnlc.data import Dataset
from distnlc.metrics import (
    activation_nlc,
    correlation_preservation,
    error_preserving_perturbation,
    input_gradients,
    input_moments,
    jacobian_norm,
    linear_approximation_error,
    local_lipschitz,
    nlc,
    nlc_from,
    output_bias,
    output_moments,
    relative_diameter,
)
from distnlc.metrics.batches import Network
from distnlc.networks.mlp import MLP
from distnlc.networks.sampling import Architecture
from distnlc.spec import MetricsSpec, TrainingSpec, derive_seed
from distnlc.training.loss import cross_entropy
from distnlc.training.native_network import fast_network

if TYPE_CHECKING:
    from torch import Tensor


def measure_initial(
    network: MLP,
    architecture: Architecture,
    data: Dataset,
    spec: MetricsSpec,
    loss_scale: float,
    training: TrainingSpec,
) -> dict[str, Any]:
    """All quantities of section 3 at initialization, on the training part, and the wall time of each."""
    measured = measure_function(
        fast_network(network, architecture, batch_size=training.batch_size),
        data.train_inputs,
        data.train_labels,
        spec,
        loss_scale=loss_scale,
        batch_size=training.batch_size,
        seed=architecture.seed,
    )
    activation, kinks = architecture.activation_function, (-architecture.shift / architecture.dilation,)
    measured["activation_nlc"] = activation_nlc(activation, kinks=kinks)
    measured["activation_linear_error"] = linear_approximation_error(activation, kinks=kinks)
    return measured


def measure_function(
    function: Network,
    inputs: "Tensor",
    labels: "Tensor | None",
    spec: MetricsSpec,
    *,
    loss_scale: float | None,
    batch_size: int,
    seed: int,
) -> dict[str, Any]:
    """What of it needs only a function (batch, d_in...) -> (batch, d_out) of inputs (points, d_in...).

    The gradients of the loss are left out without labels (points,), and `loss_scale` is measured if it is not given.
    """
    derived = partial(derive_seed, "metrics", seed)
    measured: dict[str, Any] = {}
    watch = partial(timed, measured)

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
    measured["init_input_cosine"], measured["init_output_cosine"] = cosines
    if spec.walk_batches:
        walk = {"batch_size": batch_size, "batches": spec.walk_batches}
        with watch("lipschitz_seconds"):
            measured["init_lipschitz"] = local_lipschitz(function, inputs, **walk, seed=derived("lipschitz"))
        with watch("diameter_seconds"):
            measured["init_relative_diameter"] = relative_diameter(
                function,
                inputs,
                **walk,
                input_directions=spec.walk_inputs,
                output_directions=spec.walk_outputs,
                seed=derived("diameter"),
            )
    return measured


@contextmanager
def timed(into: dict[str, Any], name: str) -> Iterator[None]:
    """The wall time of what is done within, in seconds, under that name. What it measures ends in a float, which
    waits for a GPU."""
    began = time.perf_counter()
    yield
    into[name] = time.perf_counter() - began


def measure_trained(
    network: MLP, architecture: Architecture, data: Dataset, spec: MetricsSpec, training: TrainingSpec
) -> dict[str, Any]:
    """NLC and bias on the training part; NLC and error-preserving perturbation on the test part."""
    size = training.batch_size
    function = fast_network(network, architecture, batch_size=size)
    seed = partial(derive_seed, "metrics", architecture.seed)
    random = {"batch_size": size, "batches": spec.nlc_batches, "seed": seed("trained")}
    return {
        "trained_nlc": nlc(function, data.train_inputs, **random),
        "trained_nlc_test": nlc(function, data.test_inputs, **random),
        "trained_bias": output_bias(function, data.train_inputs, batch_size=size),
        "trained_perturbation": error_preserving_perturbation(
            function,
            data.test_inputs,
            data.test_labels,
            batch_size=size,
            batches=spec.walk_batches,
            input_directions=spec.walk_inputs,
            seed=seed("perturbation"),
        )
        if spec.walk_batches
        else None,
    }
