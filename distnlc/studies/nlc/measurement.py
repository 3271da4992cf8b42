"""What an NLC study measures of a network before and after training: columns of `ArchitectureRow` by name."""

from functools import partial
from typing import Any

from distnlc.data.dataset import Dataset
from distnlc.metrics.activation import activation_nlc, linear_approximation_error
from distnlc.metrics.bias import output_bias
from distnlc.metrics.nlc import nlc
from distnlc.metrics.perturbation import error_preserving_perturbation
from distnlc.metrics.spec import MetricsSpec
from distnlc.metrics.suite import measure_function
from distnlc.networks.architecture import Architecture
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.training.native_network import fast_network
from distnlc.training.spec import TrainingSpec


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
        fast_network(network, batch_size=training.batch_size),
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


def measure_trained(
    network: MLP, architecture: Architecture, data: Dataset, spec: MetricsSpec, training: TrainingSpec
) -> dict[str, Any]:
    """NLC and bias on the training part; NLC and error-preserving perturbation on the test part."""
    size = training.batch_size
    function = fast_network(network, batch_size=size)
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
