"""Check 4: what can be computed of theorem 1, and the bound of Veit et al. on terms with many residual Jacobians.

Theorem 1 itself has no number that could be measured: it bounds the updates of a training from below by c' c
r^(lambda/4) with unknown constants. Its condition 4 is a number, T <= c h^(1/Lambda) / (32 r c') (ln r)^3 r^(Lambda/4),
here with c = c' = 1: below one update for r <= 2 and Lambda <= 20, so that no training fulfils it; and the proof's sum,
which is to stay below h, stays below it by tens of orders of magnitude: 10 are asked for from Lambda = 5 on. Veit:
||res^lambda|| <= ||df_0/df_1|| sum_{l >= lambda} p^l C(L, l) with p the largest operator norm of a residual Jacobian,
in a residual network whose terms are summed exactly by the number of residual Jacobians they have.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from distnlc.networks.matrices import standard
from distnlc.spec import derive_seed
from distnlc.studies.gradients.checks.check import Check
from distnlc.studies.gradients.spec import Spec

RATES = (1.1, 1.5, 2.0)
LARGEST = 20
"""Lambda"""
THRESHOLD = 1e-6
"""h"""
ORDERS = 10
LAYERS, WIDTH = 16, 20
SCALE = 0.3
"""of the residual functions"""
ROUNDING = 1e-10


def most_updates(r: float, effective_depth: int, h: float) -> float:
    """T of condition 4 with c = c' = 1."""
    return h ** (1 / effective_depth) / (32 * r) * math.log(r) ** 3 * r ** (effective_depth / 4)


def log10_sum(r: float, effective_depth: int, updates: float) -> float:
    """log10 of the proof's bound with c = c' = 1: the sum over lambda >= Lambda of
    T^(lambda + 1) r^(-lambda (lambda - 1) / 2) lambda^lambda (ln r)^-lambda, until terms no longer count."""
    terms = [
        (n + 1) * math.log10(updates)
        - n * (n - 1) / 2 * math.log10(r)
        + n * math.log10(n)
        - n * math.log10(math.log(r))
        for n in range(effective_depth, 1000)
    ]
    largest = max(terms)
    return largest + math.log10(sum(10 ** (term - largest) for term in terms))


def tails(jacobians: Sequence[Tensor], gradient: Tensor) -> Tensor:
    """res^lambda for lambda = 0 .. L, (L + 1, width): the sum of all terms with so many residual Jacobians or more.

    jacobians: of the residual functions, from the top; gradient: df_0/df_1.
    """
    none = torch.zeros(1, len(gradient), dtype=gradient.dtype)
    terms = torch.cat([gradient[None], none.expand(len(jacobians), -1)])  # row i: those with i residual Jacobians
    for jacobian in jacobians:
        terms = terms + torch.cat([none, terms[:-1] @ jacobian])
    return terms.flip(0).cumsum(0).flip(0)


def over_bound(jacobians: Sequence[Tensor], gradient: Tensor) -> list[float]:
    """The length of res^lambda over Veit's bound, for each lambda."""
    p, count = max(float(torch.linalg.matrix_norm(jacobian, 2)) for jacobian in jacobians), len(jacobians)
    lengths = (tails(jacobians, gradient).norm(dim=1) / gradient.norm()).tolist()
    sums = [sum(p**n * math.comb(count, n) for n in range(least, count + 1)) for least in range(count + 1)]
    return [length / bound for length, bound in zip(lengths, sums, strict=True)]


def residual_jacobians(random: np.random.Generator) -> list[Tensor]:
    """Those of LAYERS residual functions SCALE * W tanh(V f) on the identity, at one point, from the top."""
    signal, found = standard(WIDTH, 1, random)[:, 0], list[Tensor]()
    for _ in range(LAYERS):
        inner, outer = (standard(WIDTH, WIDTH, random) / math.sqrt(WIDTH) for _ in range(2))
        value = torch.tanh(inner @ signal)
        found.append(SCALE * outer @ ((1 - value**2)[:, None] * inner))
        signal = signal + SCALE * outer @ value
    return found[::-1]


def run(part: Spec, seed: int) -> list[Check]:
    """Theorem 1 by its formulas, Veit's bound on `part.networks` networks."""
    return [check for r in RATES for check in _theorem_1(r)] + _veit(part, seed)


def _theorem_1(r: float) -> list[Check]:
    updates = max(most_updates(r, depth, 1.0) for depth in range(1, LARGEST + 1))
    depths = range(5, LARGEST + 1)
    orders = max(log10_sum(r, depth, most_updates(r, depth, THRESHOLD)) for depth in depths) - math.log10(THRESHOLD)
    return [
        Check(f"theorem 1, r = {r}: updates that condition 4 allows, h = 1, Lambda to 20", updates, 1, "at most"),
        Check(f"theorem 1, r = {r}: log10 of the proof's sum over h, Lambda 5 to 20", orders, -ORDERS, "at most"),
    ]


def _veit(part: Spec, seed: int) -> list[Check]:
    """The bound holds; it is attained where every residual Jacobian is p times the identity; terms add up."""
    random = np.random.default_rng(derive_seed("residual terms", seed))
    identity = torch.eye(WIDTH, dtype=torch.float64)
    most, added = 0.0, 0.0
    for _ in range(part.networks):
        jacobians, gradient = residual_jacobians(random), standard(1, WIDTH, random)[0]
        most = max(most, *over_bound(jacobians, gradient))
        whole = gradient
        for jacobian in jacobians:
            whole = whole @ (identity + jacobian)
        added = max(added, float((tails(jacobians, gradient)[0] - whole).norm() / whole.norm()))
    attained = over_bound([SCALE * identity] * LAYERS, gradient)
    return [
        Check("Veit: length of res^lambda over its bound, the largest", most, 1, "at most"),
        Check(
            "Veit: the same where every residual Jacobian is 0.3 I, the smallest",
            min(attained),
            1,
            "equal",
            tolerance=ROUNDING,
        ),
        Check("Veit: all terms together less the gradient, relative", added, ROUNDING, "at most"),
    ]
