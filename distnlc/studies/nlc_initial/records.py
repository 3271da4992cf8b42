"""The rows of a study of networks at initialization; `unit_id` joins the tables."""

from dataclasses import dataclass
from functools import partial

from distnlc.metrics import catalog
from distnlc.records import ATTEMPTS, DEVICE, INDEX, PART, REASON, SECONDS, STATUS, UNIT_ID, Quantity, column

drawn = partial(Quantity, group="drawn")
measured = partial(Quantity, group="initial", log=True)
DEPTH = drawn("depth", "count", "linear operations")


@dataclass(frozen=True, kw_only=True)
class NetworkRow:
    """One unit: what fixes its network, and what was measured of it; an experiment fills the columns it needs."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    index: int = column(INDEX, required=True)
    status: str = column(STATUS, required=True)
    reason: str | None = column(REASON)
    attempts: int = column(ATTEMPTS, default=1)
    seconds: float = column(SECONDS, required=True)
    device: str | None = column(DEVICE)
    # what fixes the network and the value
    experiment: str = column(drawn("experiment", "text", "what the part measures (spec.py)"), required=True)
    inputs: str | None = column(
        drawn("inputs", "text", "the dataset; `isotropic` and `gaussian`: unit Gaussian inputs"), lead=3
    )
    points: int | None = column(drawn("points", "count", "inputs that the network is measured on"))
    batches: int | None = column(drawn("batches", "count", "random batches of 250 per Jacobian norm"))
    d_in: int | None = column(drawn("input features", "count", "input features"))
    d_out: int | None = column(drawn("outputs", "count", "outputs, the classes"))
    architecture: int | None = column(
        drawn("architecture", "count", "the number of a drawn architecture in the study's sequence")
    )
    initialization: int | None = column(drawn("initialization", "count", "which of its initial weights, from 0"))
    seed: int = column(
        drawn("seed", "number", "of the weights; a whole number below 2^63; 0: there are none"), default=0
    )
    activation: str | None = column(drawn("activation", "text", "the activation function, `none` or `sine`"), lead=2)
    frequency: int | None = column(drawn("frequency k", "number", "k of 1 + sin(k s) / k"))
    depth: int | None = column(DEPTH, lead=4)
    width: int | None = column(drawn("width", "count", "neurons of every hidden layer", log=True), lead=5)
    parameters: int | None = column(drawn("parameters", "count", "weights and biases", log=True))
    normalization: str | None = column(drawn("normalization", "text", "`none`, `batch` or `layer`"))
    absorbs: bool | None = column(
        drawn("absorbs", "yes/no", "whether batch norm undoes any scale of, and constant added to, inputs")
    )
    # what was measured
    init_nlc: float | None = column(catalog.INITIAL_NLC, lead=1)
    init_jacobian_norm: float | None = column(catalog.JACOBIAN_NORM)
    init_gradient_component: float | None = column(catalog.GRADIENT_COMPONENT)
    output_spread: float | None = column(
        Quantity(
            "spread of the outputs",
            "output",
            "quadratic mean over the outputs of their standard deviations",
            group="initial",
            log=True,
        )
    )
    activation_nlc: float | None = column(catalog.ACTIVATION_NLC)
    activation_linear_error: float | None = column(catalog.ACTIVATION_LINEAR_ERROR)
    directions: float | None = column(
        Quantity(
            "directions of the inputs",
            "number",
            "(sum of variances)^2 / sum of squared variances: so many equal ones are as uneven as the inputs'",
            group="initial",
        )
    )
    init_bias: float | None = column(catalog.INITIAL_BIAS)
    init_gradient_length: float | None = column(catalog.GRADIENT_LENGTH)
    # the same network in float32, and what rounding does to it
    single_nlc: float | None = column(measured("NLC in 32 bits", "number", "the same weights and inputs in float32"))
    single_jacobian_norm: float | None = column(
        measured("Jacobian norm in 32 bits", "output / input", "the same weights, inputs and random vectors in float32")
    )
    input_rounding: float | None = column(
        measured("rounding of the inputs", "number", "quadratic mean of what float32 rounds off, by the inputs' spread")
    )
    rounded_inputs_change: float | None = column(
        measured(
            "change by rounded inputs",
            "number",
            "quadratic mean change of the outputs, by their spread, when the inputs alone are rounded to float32",
        )
    )
    single_change: float | None = column(
        measured(
            "change by 32 bits",
            "number",
            "quadratic mean change of the outputs, by their spread, when all is computed in float32",
        )
    )


METRICS = {
    "init_nlc": catalog.INITIAL_NLC,
    "init_bias": catalog.INITIAL_BIAS,
    "init_linear_region": catalog.LINEAR_REGION,
    "init_relative_diameter": catalog.RELATIVE_DIAMETER,
    "init_gradient_component": catalog.GRADIENT_COMPONENT,
    "init_gradient_length": catalog.GRADIENT_LENGTH,
    "init_jacobian_norm": catalog.JACOBIAN_NORM,
    "init_local_lipschitz": catalog.LOCAL_LIPSCHITZ,
    "init_input_cosine": catalog.INPUT_COSINE,
    "init_output_cosine": catalog.OUTPUT_COSINE,
    "init_cosine_correlation": catalog.COSINE_CORRELATION,
    "depth": DEPTH,
}
"""what is measured before and after every change, by the columns of the NLC study's `architectures`"""

moved = partial(Quantity, group="result")


@dataclass(frozen=True, kw_only=True)
class MovementRow:
    """One metric before and after one change that does not matter to training."""

    unit_id: str = column(UNIT_ID, required=True)
    change: str = column(moved("change", "text", "a name of changes.CHANGES, or `width`"), required=True)
    metric: str = column(moved("metric", "text", "a column of the NLC study"), required=True)
    before: float | None = column(moved("before", "number", "of the architecture as it was drawn"), required=True)
    after: float | None = column(moved("after", "number", "of the changed network"), required=True)


@dataclass(frozen=True, kw_only=True)
class PixelRow:
    """One pixel of a sphere picture; those outside the disc have no row."""

    unit_id: str = column(UNIT_ID, required=True)
    pixel: int = column(moved("pixel", "count", "row by row from the top left, from 0"), required=True)
    red: int = column(moved("red", "count", "0 to 255, grows with output 1"), required=True)
    green: int = column(moved("green", "count", "0 to 255, grows with output 2"), required=True)
    blue: int = column(moved("blue", "count", "0 to 255, grows with output 3"), required=True)
