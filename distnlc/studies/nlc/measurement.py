"""What an NLC study measures of a network before and after training: columns of `ArchitectureRow` by name."""

from functools import partial
from typing import Any

from distnlc.data.dataset import Dataset
from distnlc.metrics.activation import activation_nlc, linear_approximation_error
from distnlc.metrics.measurable import Network
from distnlc.metrics.nlc import nlc, nlc_and_bias
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
    """All initial metrics of a network, on the training part, and the wall time of each."""
    function = fast_network(network, batch_size=training.batch_size)
    measured = measure_untrained(function, architecture.seed, data, spec, loss_scale, training)
    return measured | activation_metrics(architecture)


def measure_untrained(
    function: Network, seed: int, data: Dataset, spec: MetricsSpec, loss_scale: float, training: TrainingSpec
) -> dict[str, Any]:
    """Those of any network, (batch, d_in) -> (batch, d_out), whose seed is given."""
    return measure_function(
        function,
        data.train_inputs,
        data.train_labels,
        spec,
        loss_scale=loss_scale,
        batch_size=training.batch_size,
        seed=seed,
    )


def activation_metrics(architecture: Architecture) -> dict[str, Any]:
    """Those of the activation function alone."""
    activation, kinks = architecture.activation_function, (-architecture.shift / architecture.dilation,)
    return {
        "activation_nlc": activation_nlc(activation, kinks=kinks),
        "activation_linear_error": linear_approximation_error(activation, kinks=kinks),
    }


def measure_trained(
    function: Network, seed: int, data: Dataset, spec: MetricsSpec, training: TrainingSpec
) -> dict[str, Any]:
    """NLC and bias on the training part; NLC and error-preserving perturbation on the test part."""
    size = training.batch_size
    derived = partial(derive_seed, "metrics", seed)
    random = {"batch_size": size, "batches": spec.nlc_batches, "seed": derived("trained")}
    trained_nlc, trained_bias = nlc_and_bias(function, data.train_inputs, **random)
    return {
        "trained_nlc": trained_nlc,
        "trained_nlc_test": nlc(function, data.test_inputs, **random),
        "trained_bias": trained_bias,
        "trained_perturbation": error_preserving_perturbation(
            function,
            data.test_inputs,
            data.test_labels,
            batch_size=size,
            batches=spec.walk_batches,
            input_directions=spec.walk_inputs,
            seed=derived("perturbation"),
        )
        if spec.walk_batches
        else None,
    }
