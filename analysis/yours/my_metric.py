"""A metric of one's own: do the answers of a network before training differ?

    distnlc run waveform-small --plugin my_metric --set "metrics.extra=[my-agreement]" --out my-study
    distnlc table my-study best_metric

Every architecture is measured before and after training, and the values before it are ranked beside the built-in
metrics. A network that the metric does not suit may give None, or raise: a missing value, and a warning at the end.
"""

from typing import Any

from torch import Tensor, nn, no_grad

import distnlc


@no_grad()
def agreement(network: nn.Module, inputs: Tensor, labels: Tensor, effort: Any) -> float:
    """Share of the inputs (points, d_in) that get the most frequent answer: 1 if the network answers all alike.

    network: (batch, d_in) -> (batch, d_out), a copy. effort: the spec's section `metrics`.
    """
    answers = network(inputs).argmax(dim=1)
    return float(answers.bincount().max() / len(answers))


METRIC = distnlc.Metric(name="my-agreement", label="share of the most frequent answer", measure=agreement)
