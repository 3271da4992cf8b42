"""The rows of one finished training.

In: what the trainings left. Out: the measured columns of `networks`, and the tables `layers`, `epochs` and `taylor`
(with the unit's id and part left empty). Layers are measured on the whole training set, minibatch by minibatch in a
fixed order, at initialization, after pre-training and at the end. Layer 1, the softmax, has no row.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.metrics.gradient_lengths import INPUT, GradientLengths
from distnlc.metrics.growth import exponential_fit
from distnlc.metrics.layer_gradients import LayerGradients, Spread
from distnlc.metrics.taylor_reduction import taylor_outputs
from distnlc.networks.layered import Layered
from distnlc.networks.loss import point_losses
from distnlc.networks.operations import operations
from distnlc.studies.gradients.noise import finite, layer_rows, top_activation, total
from distnlc.studies.gradients.records import EpochRow, LayerRow, TaylorRow
from distnlc.studies.gradients.watch import Measures, matrices_of, summed_error_gradient, weights_of
from distnlc.training.start import Start
from distnlc.training.trainer import RunOutcome

Row = dict[str, Any]
DIVERGED_ERROR = 0.90
NOT_FINITE = "the training is not finite at any step size"


@dataclass(frozen=True)
class Run:
    """One training that was watched."""

    outcome: RunOutcome
    watch: dict[str, Any]
    first_update: float | None

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Run":
        return cls(RunOutcome.from_state(state["outcome"]), state["watch"], state["first_update"])

    @property
    def row(self) -> Tensor:
        assert self.outcome.row is not None
        return self.outcome.row


@dataclass(frozen=True)
class Trained:
    """All trainings of a unit."""

    start: Start
    """at the random initialization"""
    candidates: list[RunOutcome]
    """of one step size for all layers, in rising order"""
    pretraining: Run | None
    chosen: Run
    relative_updates: Mapping[int, float] = field(default_factory=dict)
    """Y_l by layer, from 0 at the input"""

    @property
    def network(self) -> Layered:
        assert isinstance(self.start.network, Layered)
        return self.start.network

    @property
    def pretraining_epochs(self) -> int:
        return self.pretraining.outcome.epochs if self.pretraining else 0

    @property
    def epochs(self) -> int:
        return self.pretraining_epochs + self.chosen.outcome.epochs

    def weights(self, row: Tensor) -> list[Tensor]:
        return weights_of(self.network, row)


def rows_of(trained: Trained, dataset: Dataset, batch: int) -> dict[str, list[Any]]:
    """The long tables."""
    initial, last = trained.start.rows[0], trained.chosen.row
    linear: dict[int, dict[str, dict[int, float]]] = {0: {}}
    rows = {0: initial, trained.pretraining_epochs: trained.pretraining.row if trained.pretraining else initial}
    rows[trained.epochs] = last
    residuals = [now - first for now, first in zip(trained.weights(last), trained.weights(initial), strict=True)]
    if last.isfinite().all():
        norms = {layer: float(torch.linalg.matrix_norm(each, 2)) for layer, each in enumerate(residuals)}
        linear[trained.epochs] = {"residual_norm": norms}
    if trained.relative_updates:
        linear.setdefault(trained.pretraining_epochs, {})["relative_update"] = dict(trained.relative_updates)
    layers = [
        LayerRow(unit_id="", part="", epoch=epoch, **finite(row))
        for epoch, numbers in sorted(rows.items())
        for row in measured_layers(trained, numbers, dataset, batch, linear.get(epoch, {}))
    ]
    return {"layers": layers, "epochs": epoch_rows(trained), "taylor": taylor_rows(trained, dataset, batch)}


def columns_of(trained: Trained, tables: dict[str, list[Any]]) -> Row:
    """The measured columns of `networks`."""
    network, outcome = trained.network, trained.chosen.outcome
    first = [row for row in tables["layers"] if row.epoch == 0]
    scales = {(row.kind, row.linear_layer): row.gsc for row in first}
    (top,) = (row for row in first if row.kind == "activation" and row.linear_layer == top_activation(network))
    reported = [(row.layer, row.gsc) for row in first if row.gsc is not None]
    rate, intercept, r2 = exponential_fit(*zip(*reported, strict=True)) if reported else (math.nan,) * 3
    plain = [{name: value for name, value in asdict(row).items() if value is not None} for row in first]
    measures = [Measures(**each) for each in trained.chosen.watch["measures"]]
    return finite(
        {
            "gsc_input": scales["input", 0],
            "gsc_lowest": scales["linear", 1],
            "std_top": top.std,
            "sign_diversity_top": top.sign_diversity,
            "growth_rate": rate,
            "growth_intercept": intercept,
            "growth_r2": r2,
            "dilution_corrected": total(plain, "corrected_growth"),
            "dilution_exact": total(plain, "exact_growth"),
            "best_step": outcome.start_rate,
            "train_error": DIVERGED_ERROR if outcome.diverged else outcome.error,
            "effective_depth": measures[-1].effective_depth_1e6,
            "epochs": trained.epochs,
            "largest_first_update": trained.chosen.first_update,
            "reason": NOT_FINITE if outcome.diverged else None,
        }
    )


def measured_layers(
    trained: Trained, numbers: Tensor, dataset: Dataset, batch: int, linear: Mapping[str, Mapping[int, float]]
) -> list[Row]:
    """Rows from the top down with these parameters (parameters,); `linear`: column -> layer from 0 -> value."""
    network, places = trained.network, len(operations(trained.network))
    found = whole_pass(network, trained.weights(numbers), trained.start.buffers[0], dataset, batch)
    # the softmax lies above all that the network's operations are
    rows = {(row["kind"], row["linear_layer"]): row | {"layer": row["layer"] + 1} for row in layer_rows(network, found)}
    for index, each in enumerate(operations(network)):
        if each.kind == "linear" and linear:
            row = rows.setdefault(
                ("linear", each.layer), {"layer": places - index + 1, "kind": "linear", "linear_layer": each.layer}
            )
            row |= {name: values[each.layer - 1] for name, values in linear.items() if each.layer - 1 in values}
    return sorted(rows.values(), key=lambda row: int(row["layer"]))


def whole_pass(
    network: Layered, weights: list[Tensor], buffers: Tensor, dataset: Dataset, batch: int
) -> LayerGradients:
    """Quadratic means over the training set; not a number where the network is none."""
    places = [INPUT, *((each.kind, each.layer) for each in operations(network))]
    lengths = GradientLengths(network, weights, matrices_of(network, buffers))
    names = (*(skip.end for skip in network.skips),)
    sums: dict[str, Tensor] = {}
    neurons: dict[int, Tensor] = {}
    for inputs, labels in zip(dataset.train_inputs.split(batch), dataset.train_labels.split(batch), strict=True):
        outputs = lengths.forward(inputs.double())
        lengths.backward(summed_error_gradient(outputs, labels))
        found = {
            "signals": [lengths.signals[place] for place in places],
            "gradients": [lengths.gradients[place] for place in places],
            "carried": [lengths.carried[name] for name in names],
            "added": [lengths.added[name] for name in names],
            "error": [point_losses("cross-entropy", outputs, labels, 1.0)],
        }
        for name, each in found.items():
            squares = torch.stack([values.square().sum() for values in each]) if each else torch.empty(0)
            sums[name] = sums[name] + squares if name in sums else squares
        for layer, entering in lengths.preactivations.items():
            moments = torch.stack([entering.sum(0), entering.square().sum(0), (entering > 0).double().sum(0)])
            neurons[layer] = neurons[layer] + moments if layer in neurons else moments
    means = {name: tuple((each / len(dataset.train_labels)).sqrt().tolist()) for name, each in sums.items()}
    return LayerGradients(
        widths=(network.d_in, *(each.width for each in operations(network))),
        lengths=means["signals"],
        gradients=means["gradients"],
        error=means["error"][0],
        spreads={layer: _spread(each / len(dataset.train_labels)) for layer, each in neurons.items()},
        carried=means["carried"],
        added=means["added"],
    )


def _spread(means: Tensor) -> Spread:
    mean, square, positive = means
    variances = (square - mean.square()).clamp(min=0)
    return Spread(float(variances.mean().sqrt()), float(torch.minimum(positive, 1 - positive).mean()))


def epoch_rows(trained: Trained) -> list[EpochRow]:
    """Every epoch of the candidates, and of the watched run with its measures."""
    rows, chosen = list[EpochRow](), trained.chosen.outcome

    def row(
        step: float, phase: str, epoch: int, rate: float, error: float | None, measures: Measures | None
    ) -> EpochRow:
        values = {"train_error": error, **(asdict(measures) if measures else {})}
        known = {"step": step, "phase": phase, "epoch": epoch, "rate": rate, "measured": measures is not None}
        return EpochRow(unit_id="", part="", **finite(known | values))

    for run in trained.candidates:
        for number, epoch in enumerate(run.history, start=1):
            rows.append(row(run.start_rate, "training", number, epoch.rate, epoch.train_error, None))
    before = trained.pretraining.outcome.history if trained.pretraining else []
    history = [*(("pretraining", epoch) for epoch in before), *(("training", epoch) for epoch in chosen.history)]
    for number, ((phase, epoch), measures) in enumerate(
        zip(history, trained.chosen.watch["measures"], strict=True), start=1
    ):
        rows.append(row(chosen.start_rate, phase, number, epoch.rate, epoch.train_error, Measures(**measures)))
    return rows


def taylor_rows(trained: Trained, dataset: Dataset, batch: int) -> list[TaylorRow]:
    """Training errors with the lowest 2, 3, ... all linear layers replaced: of depth N, N - 1, ... 2."""
    network, initial, last = trained.network, trained.start.rows[0], trained.chosen.row
    if not last.isfinite().all():
        return []
    weights, matrices = (
        (trained.weights(initial), trained.weights(last)),
        matrices_of(network, trained.start.buffers[0]),
    )
    wrong = torch.zeros(network.depth, dtype=torch.int64, device=last.device)
    finite_outputs = torch.ones(network.depth, dtype=torch.bool, device=last.device)
    for inputs, labels in zip(dataset.train_inputs.split(batch), dataset.train_labels.split(batch), strict=True):
        outputs = taylor_outputs(network, *weights, matrices, inputs.double())
        wrong += (outputs.argmax(2) != labels).sum(1)
        finite_outputs &= outputs.isfinite().flatten(1).all(1)
    errors = torch.where(finite_outputs, wrong.double() / len(dataset.train_labels), torch.nan).tolist()
    pairs = [
        {"compositional_depth": network.depth - n + 2, "train_error": errors[n - 1]}
        for n in range(2, network.depth + 1)
    ]
    return [TaylorRow(unit_id="", part="", **finite(pair)) for pair in pairs]
