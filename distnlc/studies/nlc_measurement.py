"""What the NLC study measures of a network before and after training: columns of `ArchitectureRow` by name."""

from functools import partial
from typing import Any

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
from distnlc.networks.mlp import MLP
from distnlc.networks.sampling import Architecture
from distnlc.spec import MetricsSpec, TrainingSpec, derive_seed
from distnlc.training.loss import cross_entropy
from distnlc.training.native_network import fast_network


def measure_initial(
    network: MLP,
    architecture: Architecture,
    data: Dataset,
    spec: MetricsSpec,
    loss_scale: float,
    training: TrainingSpec,
) -> dict[str, Any]:
    """All quantities of section 3 at initialization, on the training part."""
    inputs, size = data.train_inputs, training.batch_size
    seed = partial(derive_seed, "metrics", architecture.seed)
    function = fast_network(network, architecture, batch_size=size)
    jacobian = jacobian_norm(function, inputs, batch_size=size, batches=spec.nlc_batches, seed=seed("nlc"))
    outside = output_moments(function, inputs, batch_size=size)
    loss = partial(cross_entropy, loss_scale=loss_scale)
    gradients = input_gradients(function, inputs, data.train_labels, loss, batch_size=size)
    cosines = correlation_preservation(function, inputs, batch_size=size, seed=seed("cosine"))
    activation, kinks = architecture.activation_function, (-architecture.shift / architecture.dilation,)
    return {
        "init_nlc": nlc_from(jacobian, input_moments(inputs, batch_size=size), outside),
        "init_bias": float(outside.bias),
        "init_loss_scale": loss_scale,
        "init_jacobian_norm": jacobian,
        "init_gradient_component": gradients.component_size,
        "init_gradient_length": gradients.length,
        "init_lipschitz": local_lipschitz(
            function, inputs, batch_size=size, batches=spec.walk_batches, seed=seed("lipschitz")
        )
        if spec.walk_batches
        else None,
        "init_input_cosine": cosines[0],
        "init_output_cosine": cosines[1],
        "init_relative_diameter": relative_diameter(
            function,
            inputs,
            batch_size=size,
            batches=spec.walk_batches,
            input_directions=spec.walk_inputs,
            output_directions=spec.walk_outputs,
            seed=seed("diameter"),
        )
        if spec.walk_batches
        else None,
        "activation_nlc": activation_nlc(activation, kinks=kinks),
        "activation_linear_error": linear_approximation_error(activation, kinks=kinks),
    }


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
