"""A study of every kind that is done in a second or two."""

from distnlc.spec import StudySpec
from distnlc.studies import resolve

TINY_NLC = (
    "sampling={count: 3, parameters: 300, depth_max: 7}",
    "search={method: refine, rates: 8, coarse: 3, wave: 1, waves: 1, edge: 1, rungs: []}",
    "training={first_patience: 2, patience: 1, divisions: 2, batch_size: 50}",
    "data={train: 200, validation: 100, test: 100}",
    "metrics={nlc_batches: 2, walk_batches: 0}",
)
TINY_INITIAL = (
    *("points=250", "metrics.nlc_batches=1", "initializations=1", "parameters=2000"),
    *("parts.depth-49.depths=[9]", "parts.width-check.depths=[9]", "parts.table-2.depths=[2, 5]"),
    *("parts.confounders.architectures=1", "parts.width.architectures=1"),
    *("parts.spheres={depths: [1, 2], pixels: 8}", "parts.he-networks.depths=[2]", "parts.precision.architectures=1"),
)
TINY_MOMENTS = (
    *("width=16", "simulations=5", "block=2", "parts.FC2.depth=4", "parts.FC3-64={depth: 6, batch: 8}"),
    "parts.FC4={depth: 2, measure_every: 1, kernel: 3, batch: 4, data: {shape: [3, 9, 9]}}",
)
TINY_GRADIENTS = (
    *(f"parts.row-{row:02d}={{points: 20, linear_layers: 5}}" for row in range(1, 35)),
    *(
        f"parts.table3-{number}-{column}={{points: 20, linear_layers: 5}}"
        for number in ("i", "ii", "iii", "iv")
        for column in ("batch-relu", "layer-tanh")
    ),
)
TINY_SENSITIVITY = (
    *("data={train: 60, test: 40}", "measure={jacobian_points: 20, trajectories: 2}", "training={batches: [20]}"),
    *("parts.labels.networks={widths: [6], depths: [3], seeds: 1}", "parts.labels.training.epochs=10"),
    *("parts.configurations.networks={widths: [6], draw: 2}", "parts.configurations.training.epochs=5"),
    *("parts.points={networks: {widths: [6], depths: [2]}, training: {epochs: 5}}",),
    "parts.points.measure={points: 10, ellipses: 1, ellipse_bins: 6, ellipse_samples: 4, planes: 1, grid: 32}",
)
TINY_SCALING = (
    *("parts.operations.operations={draws: 1, batch: 2}", "parts.ratio.ratio={setups: 2, samples: 2, image: 13}"),
    *("parts.blocks.blocks={setups: 1, samples: 1}", "parts.residual.residual.setups=1"),
    "parts.residual.residual={samples: 1, size: 4, width: 4, inner: 2, blocks: 3}",
)
SMALL = {
    "gradients": ("gradients-quick", TINY_GRADIENTS),
    "moments": ("moments-quick", TINY_MOMENTS),
    "nlc": ("quick", TINY_NLC),
    "nlc-initial": ("nlc-initial-quick", TINY_INITIAL),
    "sensitivity": ("sensitivity-quick", TINY_SENSITIVITY),
    "scaling": ("scaling-quick", TINY_SCALING),
    "rehearsal": ("rehearsal", ("count=4", "seconds=0")),
}
"""kind -> preset, assignments"""


def small_study(kind: str) -> StudySpec:
    preset, assignments = SMALL[kind]
    return resolve(preset, assignments)
