"""The rows of a study of moments; `unit_id` joins the tables."""

from dataclasses import dataclass
from functools import partial

from distnlc.metrics import catalog
from distnlc.records import ATTEMPTS, DEVICE, INDEX, PART, REASON, SECONDS, STATUS, UNIT_ID, Quantity, column

drawn = partial(Quantity, group="drawn")


@dataclass(frozen=True, kw_only=True)
class BlockRow:
    """One unit: a block of simulations of one part, and what fixes them."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    index: int = column(INDEX, required=True)
    status: str = column(STATUS, required=True)
    reason: str | None = column(REASON)
    attempts: int = column(ATTEMPTS, default=1)
    seconds: float = column(SECONDS, required=True)
    device: str | None = column(DEVICE)
    net: str = column(
        drawn("net", "text", "`vanilla`, `bn_ff` (batch norm), `bn_res` (batch norm, residual units)"),
        required=True,
        lead=1,
    )
    kernel: int = column(drawn("kernel", "count", "side of the kernels; 1: fully connected"), required=True, lead=2)
    width: int = column(drawn("width", "count", "feature maps of every layer"), required=True, lead=3)
    depth: int = column(drawn("depth", "count", "layers, or residual units of two layers each"), required=True, lead=4)
    batch: int = column(drawn("batch", "count", "images of each simulation"), required=True, lead=5)
    boundary: str = column(
        drawn("boundary", "text", "how images go on beyond their edge: `periodic`, `symmetric` or `zero`"),
        required=True,
    )
    epsilon: float = column(drawn("epsilon", "number", "what batch norm adds to variances"), required=True)
    input: str = column(drawn("input", "text", "the dataset"), required=True)
    simulations: int = column(
        drawn("simulations", "count", "of the block, each of other weights, images and noise"), required=True
    )
    first_simulation: int = column(
        drawn("first simulation", "count", "its number within the part, from 0"), required=True
    )


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer, or residual unit, of one simulation; a quantity that the net has not is empty."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    simulation: int = column(
        Quantity("simulation", "count", "its number within the part, from 0", group="identity"), required=True
    )
    layer: int = column(Quantity("layer", "count", "layer or residual unit, from 1", group="identity"), required=True)
    chi: float = column(catalog.NORMALIZED_SENSITIVITY, required=True)
    delta_chi: float = column(catalog.SENSITIVITY_INCREMENT, required=True)
    delta_bn: float | None = column(catalog.NORMALIZATION_INCREMENT)
    delta_phi: float | None = column(catalog.ACTIVATION_INCREMENT)
    delta_chi_predicted: float | None = column(catalog.PREDICTED_SENSITIVITY_INCREMENT)
    delta_bn_predicted: float | None = column(catalog.PREDICTED_NORMALIZATION_INCREMENT)
    delta_phi_predicted: float | None = column(catalog.PREDICTED_ACTIVATION_INCREMENT)
    rank_signal: float | None = column(catalog.SIGNAL_RANK)
    rank_noise: float | None = column(catalog.NOISE_RANK)
    kurtosis_z: float | None = column(catalog.NORMALIZED_KURTOSIS)
    mean_abs_z: float | None = column(catalog.NORMALIZED_MEAN_ABSOLUTE)
    log_second_moment_signal: float | None = column(catalog.SIGNAL_LOG_MOMENT)
    log_variance_noise: float | None = column(catalog.NOISE_LOG_VARIANCE)
