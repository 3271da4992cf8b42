"""Check 5: layers that map the sphere onto itself explode (theorem 2, proposition 6).

A macro-layer is an activation, a square Gaussian matrix, and length-only layer norm: from the sphere of radius sqrt(d)
to itself. Proposition 6: with a monotonic activation it is a bijection, which is tried by solving for the one point of
the sphere that is mapped to a given one; so the mean over uniform inputs of its determinant on the sphere, the product
of d - 1 singular values, is 1 for every matrix. Its tails are heavy where a matrix is nearly singular, so d = 4, and
matrices of condition number up to 5 are taken; then three standard errors decide. The quadratic mean singular value is
above 1, which is what compounds. ReLU is not surjective: its determinant is not 0 on the positive orthant alone, whose
2^d images under changes of W's signs tile the sphere, so that the mean is 2^-d (section 7's 0.03 is of 1,500 draws).

Theorem 2, Q GSC(k, l) >= sqrt((d-1)/d) (1 + delta eps^2)^((k-l)/2): under its conditions, on products of random
Jacobians between the tangent planes of random points, whose singular values are independent of mean 1. Two values 1/2
and 3/2 attain the bound (eps = 1/2, delta = 1), uniform ones on (0, 2) do not (the best eps is 2/3, delta 1/3).
Real macro-layers stand beside the same bound, with the eps of the largest bound for their own singular values: those
are not independent and of one distribution (condition 2), else their mean would be 1 or more and not 0.8, so that the
theorem does not promise it; the paper says that its conditions cannot be fulfilled exactly. A row that does not hold,
as SELU's, is that result and stands.

LOlayer networks explode like others: rates less 1 of networks with the same weights, whose ratio is to be that of
section 9's rates, means over 20 networks and rounded. Three standard errors decide.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from distnlc.networks.activations import FUNCTIONS, SELU_LEFT, SELU_RIGHT
from distnlc.networks.initialization import orthogonal
from distnlc.spec import derive_seed
from distnlc.studies.gradients.checks.check import Check, beside_stated, of_mean, of_quadratic_mean
from distnlc.studies.gradients.checks.growth import rates
from distnlc.studies.gradients.checks.noise import Array, architecture, measured, on_sphere
from distnlc.studies.gradients.spec import Spec

DIMENSION = 4
DRAWS = 500
"""matrices for each network of the part, with one input each"""
POINTS = 100
"""of each matrix that is inverted"""
ROUNDING = 1e-7
BISECTIONS = 100
DEPTH, WIDTH = 10, 100
PRODUCTS, SMALL, TIMES = 5, 6, 50
CONDITION = 5.0
ALIKE = {
    "LOlayer-tanh and layer-tanh": (architecture("tanh", "length"), 0.092, architecture("tanh", "layer"), 0.091),
    "LOlayer-SELU and SELU": (architecture("selu", "length"), 0.0415, architecture("selu"), 0.038),
}
"""each with its rate per linear layer less 1 (section 9)"""
STATED, UNIT = 20, 0.001
"""networks of these rates, to which they are rounded at least"""

INVERSES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.atanh,
    "selu": lambda y: torch.where(y > 0, y / SELU_RIGHT, torch.log1p(y.clamp(max=0) / SELU_LEFT)),
}


def macro_layer(name: str, weights: Tensor, points: Tensor) -> Tensor:
    """Matrices (n, d, d) on points (n, d): activation, matrix, length-only layer norm."""
    values = torch.einsum("nij,nj->ni", weights, FUNCTIONS[name](points))
    return values / values.square().mean(1, keepdim=True).sqrt()


def singular_values(name: str, weights: Tensor, points: Tensor) -> Tensor:
    """Singular values of the macro-layers as maps of the sphere, (n, d - 1)."""
    return torch.linalg.svdvals(jacobians(name, weights, points))[:, :-1]


def jacobians(name: str, weights: Tensor, points: Tensor) -> Tensor:
    """Jacobians of the macro-layers on the plane that touches the sphere, (n, d, d): 0 along the point."""
    tracked = points.detach().requires_grad_()
    images = macro_layer(name, weights, tracked)
    units = torch.eye(points.shape[1], dtype=torch.float64)[:, None, :].expand(-1, len(points), -1)
    (rows,) = torch.autograd.grad(images, tracked, units, is_grads_batched=True)
    normal = points / points.norm(dim=1, keepdim=True)
    along = torch.eye(points.shape[1], dtype=torch.float64) - normal[:, :, None] * normal[:, None, :]
    return rows.movedim(0, 1) @ along


def inverse(name: str, weights: Tensor, images: Tensor) -> Tensor:
    """The points (n, d) of the sphere that the macro-layers map to these.

    What the activation must give is a positive multiple of W^-1 y. The length of its inverse image grows with that
    multiple, so that bisection finds the one of length sqrt(d), below where the activation's range ends.
    """
    rays, radius = torch.linalg.solve(weights, images), math.sqrt(images.shape[1])
    if name == "tanh":
        high = 1 / rays.abs().amax(1, keepdim=True)
    else:
        ends = SELU_LEFT / (-rays).clamp(min=1e-300).amax(1, keepdim=True)
        high = torch.minimum(ends, 2 * SELU_RIGHT * radius / rays.clamp(min=1e-300).amax(1, keepdim=True))
    low = torch.zeros_like(high)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        beyond = INVERSES[name](middle * rays).norm(dim=1, keepdim=True) > radius
        low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
    return INVERSES[name](low * rays)


def well_conditioned(count: int, generator: torch.Generator) -> Tensor:
    """Gaussian matrices (count, d, d) of condition number up to CONDITION."""
    found = torch.empty(0, DIMENSION, DIMENSION, dtype=torch.float64)
    while len(found) < count:
        drawn = torch.randn(count, DIMENSION, DIMENSION, generator=generator, dtype=torch.float64)
        found = torch.cat([found, drawn[torch.linalg.cond(drawn) <= CONDITION]])
    return found[:count]


def run(part: Spec, seed: int) -> list[Check]:
    """Proposition 6, theorem 2, and LOlayer beside other networks."""
    generator = torch.Generator().manual_seed(derive_seed("sphere", seed))
    found = [check for name in ("tanh", "selu") for check in _proposition_6(part, generator, name)]
    weights, points = _draws(DRAWS * part.networks, generator)
    relu = singular_values("relu", weights, points).prod(1).tolist()
    found.append(of_mean("proposition 6, ReLU: mean determinant, not surjective", relu, 2**-DIMENSION))
    return (
        found
        + _theorem_2(part, seed)
        + [_real_layers(part, generator, name) for name in ("tanh", "selu")]
        + _alike(part, seed)
    )


def _draws(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return well_conditioned(count, generator), on_sphere(count, DIMENSION, generator)


def _proposition_6(part: Spec, generator: torch.Generator, name: str) -> list[Check]:
    """Onto and one to one, by the inverse; mean determinant and quadratic mean singular value."""
    weights, points = _draws(POINTS * part.networks, generator)
    onto = macro_layer(name, weights, inverse(name, weights, points)) - points
    one_to_one = inverse(name, weights, macro_layer(name, weights, points)) - points
    weights, points = _draws(DRAWS * part.networks, generator)
    values = singular_values(name, weights, points)
    label = f"proposition 6, {name}"
    qm = of_quadratic_mean(f"{label}: quadratic mean singular value", values.square().mean(1).tolist(), 1)
    return [
        Check(f"{label}: onto, f(f^-1(y)) less y, largest", float(onto.abs().max()), ROUNDING, "at most"),
        Check(f"{label}: one to one, f^-1(f(x)) less x, largest", float(one_to_one.abs().max()), ROUNDING, "at most"),
        of_mean(f"{label}: mean determinant on the sphere", values.prod(1).tolist(), 1),
        qm._replace(relation="at least"),
    ]


def _theorem_2(part: Spec, seed: int) -> list[Check]:
    """The bound under the theorem's conditions, by random products of PRODUCTS Jacobians."""
    random = np.random.default_rng(derive_seed("theorem 2", seed))
    shape = (PRODUCTS, SMALL - 1)
    draws: dict[str, tuple[Callable[[], Array], float]] = {
        "values 1/2 and 3/2": (lambda: random.choice([0.5, 1.5], shape), 1 / 4),
        "values uniform on (0, 2)": (lambda: random.uniform(0, 2, shape), 4 / 27),
    }
    found = []
    for name, (draw, spread) in draws.items():
        squares = [_product(torch.from_numpy(draw()), random) for _ in range(TIMES * part.networks)]
        bound = math.sqrt((SMALL - 1) / SMALL) * (1 + spread) ** (PRODUCTS / 2)
        check = of_quadratic_mean(f"theorem 2, {name}: Q GSC over {PRODUCTS} layers", squares, bound)
        found.append(check._replace(relation="at least"))
    return found


def _product(values: Tensor, random: np.random.Generator) -> float:
    """Squared qm norm of a product of Jacobians with these singular values (layers, d - 1).

    Each leads from the plane that touches the sphere at one random point to that at the next.
    """
    product = torch.eye(SMALL, dtype=torch.float64)
    below = orthogonal(SMALL, SMALL, random)  # the first column: the point; the others: its plane
    for row in values:
        above, turned = orthogonal(SMALL, SMALL, random), orthogonal(SMALL - 1, SMALL - 1, random)
        product = above[:, 1:] @ (row[:, None] * turned) @ below[:, 1:].T @ product
        below = above
    return float(product.square().sum() / SMALL)


def _real_layers(part: Spec, generator: torch.Generator, name: str) -> Check:
    """Q GSC over DEPTH macro-layers of networks, each at one point, beside the bound of their singular values."""
    count = max(2, part.networks)
    points, values = on_sphere(count, WIDTH, generator), list[Tensor]()
    product = torch.eye(WIDTH, dtype=torch.float64).expand(count, -1, -1)
    for _ in range(DEPTH):
        weights = torch.randn(count, WIDTH, WIDTH, generator=generator, dtype=torch.float64)
        steps = jacobians(name, weights, points)
        values.append(torch.linalg.svdvals(steps)[:, :-1])
        product, points = steps @ product, macro_layer(name, weights, points)
    bound = math.sqrt(1 - 1 / WIDTH) * (1 + largest_spread(torch.stack(values))) ** (DEPTH / 2)
    case = f"theorem 2, {name}, its conditions not fulfilled: Q GSC over {DEPTH} real macro-layers"
    squares = product.square().sum((1, 2)).div(WIDTH).tolist()
    return of_quadratic_mean(case, squares, bound)._replace(relation="at least")


def largest_spread(values: Tensor) -> float:
    """The largest delta eps^2, delta the share of the values that differ from their mean by eps or more."""
    off = (values - values.mean()).abs().flatten().sort(descending=True).values
    shares = torch.arange(1, len(off) + 1, dtype=torch.float64) / len(off)
    return float((shares * off.square()).max())


def _alike(part: Spec, seed: int) -> list[Check]:
    """Growth of LOlayer networks beside that of layer-tanh and SELU."""
    found = []
    for name, (ours, stated, theirs, other) in ALIKE.items():
        growth, beside = (
            np.array(rates(network.lengths for network in measured(part, seed, each))) for each in (ours, theirs)
        )
        ratio = growth.mean() / beside.mean()
        values = (ratio + (growth - ratio * beside) / beside.mean()).tolist()  # of pairs: their mean is the ratio
        unit = stated / other * math.hypot(UNIT / stated, UNIT / other)
        case = f"growth per linear layer less 1, {name}"
        found.append(beside_stated(case, values, stated / other, networks=STATED, unit=unit))
    return found
