"""An installable package with a metric; the module that needs torch is imported where the metric is first used."""

from distnlc import Metric

METRIC = Metric(
    name="my-size",
    label="root mean square of the weights",
    measure="my_distnlc_parts.weights:size",
    log=True,
)
