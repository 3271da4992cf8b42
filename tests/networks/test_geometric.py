"""Geometric initialization has the calculus' variances in any module, is repeatable, and refuses before it changes."""

import copy
import io
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from distnlc import Multiplier, Residual, geometric_init_, rescale_weights, scaling_plan
from tests.helpers.sensitivities import Calling


def network() -> nn.Sequential:
    block = nn.Sequential(nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), Multiplier(1.0, learnable=True))
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2), nn.GroupNorm(2, 16), Residual(block, beta=0.6), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 36, 50),
    )  # fmt: skip


def moments(module: nn.Module) -> dict[str, float]:
    return {name: float(each.detach().square().mean()) for name, each in module.named_parameters()}


@pytest.mark.parametrize("distribution", ["normal", "uniform", "orthogonal"])
def test_weights_have_the_variance_of_the_rule_and_biases_are_0(distribution: Any) -> None:
    found = network()
    assert geometric_init_(found, distribution=distribution, seed=0) is None
    c = 2 / 3  # of 3 and 5, as frequent, the smaller
    expected = {"0.weight": c / math.sqrt(1200), "2.main.1.weight": c * 0.6 / 48, "5.weight": c / math.sqrt(28800)}
    second = moments(found)
    tolerance = 1e-6 if distribution == "orthogonal" else 0.15
    assert {name: second[name] for name in expected} == pytest.approx(expected, rel=tolerance)
    assert second["2.main.2.value"] == pytest.approx(c * 0.6)
    assert [second[f"{name}.bias"] for name in ("0", "2.main.1", "5")] == [0, 0, 0]
    assert (second["1.weight"], second["1.bias"]) == (1, 0)


def test_a_seed_fixes_the_weights_and_leaves_torch_s_generator_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = network(), network(), network()
    torch.set_rng_state(before)
    for each, seed in ((one, 0), (same, 0), (other, 1)):
        geometric_init_(each, seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one[0].weight, same[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)
    torch.manual_seed(0)
    geometric_init_(one)
    assert not torch.equal(torch.get_rng_state(), before)


def test_the_plan_that_is_returned_is_in_balance_and_its_factors_are_on_the_weights() -> None:
    plain, multiplied = network(), network()
    plan = geometric_init_(multiplied, input_shape=(3, 6, 6), multipliers="parametrize", seed=0)
    assert plan is not None
    assert plan.imbalance == pytest.approx(1, abs=1e-9)
    returned = geometric_init_(plain, input_shape=(3, 6, 6), multipliers="return", seed=0)
    assert returned == plan
    factors = {row.name: row.multiplier for row in plan.rows}
    torch.testing.assert_close(multiplied[0].weight, plain[0].weight * factors["0"])
    assert float(multiplied[2].main[2].value.detach()) == pytest.approx(1)  # the scalar and its companion
    copied, saved = copy.deepcopy(multiplied), io.BytesIO()
    torch.save(multiplied.state_dict(), saved)
    saved.seek(0)
    copied.load_state_dict(torch.load(saved, weights_only=True))
    batch = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(copied(batch), multiplied(batch))
    assert scaling_plan(multiplied, (3, 6, 6)) == plan


def test_factors_do_not_pile_up() -> None:
    found = network()
    for _ in range(2):
        geometric_init_(found, input_shape=(3, 6, 6), multipliers="parametrize", seed=0)
    once = network()
    geometric_init_(once, input_shape=(3, 6, 6), multipliers="parametrize", seed=0)
    assert torch.equal(found[0].weight, once[0].weight)
    geometric_init_(found, seed=0)
    assert type(found[0]) is nn.Conv2d


def test_any_module_is_initialized() -> None:
    own = Calling(
        lambda self, batch: self.second(self.first(batch).relu()), first=nn.Linear(40, 90), second=nn.Linear(90, 5)
    )
    geometric_init_(own, seed=0)
    assert moments(own)["first.weight"] == pytest.approx(2 / 60, rel=0.1)


def test_rescale_weights_are_those_of_the_sixteen_blocks() -> None:
    weights = rescale_weights(16)
    assert weights[0] == pytest.approx((math.sqrt(15 / 16), math.sqrt(1 / 16)))
    assert weights[-1] == pytest.approx((math.sqrt(30 / 31), math.sqrt(1 / 31)))
    with pytest.raises(ValueError, match="at least 1 block, found 0"):
        rescale_weights(0)


def test_a_residual_block_adds_its_branches_and_leaves_its_input() -> None:
    block = Residual(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4)), beta=0.6)
    batch = torch.randn(3, 4)
    expected = 0.8 * batch + 0.6 * block.main[1](batch.relu())
    torch.testing.assert_close(block(batch), expected)
    torch.testing.assert_close(block(batch), expected)


@pytest.mark.parametrize("beta", [0.0, -0.5, 1.5, math.nan])
def test_a_beta_outside_0_to_1_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match=r"expected beta in \(0, 1\]"):
        Residual(nn.Identity(), beta=beta)


def test_weights_whose_squares_do_not_add_up_to_1_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"alpha\^2 \+ beta\^2 should be 1, found 1.25"):
        Residual(nn.Identity(), alpha=1.0, beta=0.5)


@pytest.mark.parametrize("value", [0.0, math.inf])
def test_a_multiplier_is_a_finite_number_other_than_0(value: float) -> None:
    with pytest.raises(ValueError, match="finite number other than 0"):
        Multiplier(value)


TIED = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
TIED[2].weight = TIED[0].weight


@pytest.mark.parametrize(
    ("module", "settings", "said"),
    [
        (nn.Sequential(nn.ReLU()), {}, "the network has no weight layers"),
        (nn.Sequential(nn.Linear(4, 4), nn.MultiheadAttention(4, 2)), {}, r"1 \(MultiheadAttention\) is not covered"),
        (nn.Sequential(nn.Linear(4, 4), nn.GRU(4, 4)), {}, "a recurrent network"),
        (nn.Sequential(nn.Linear(4, 4), nn.Embedding(4, 4)), {}, "an embedding"),
        (nn.Sequential(nn.LazyLinear(4)), {}, "is lazy"),
        (nn.Linear(4, 4, device="meta"), {}, "scaling_plan reads shapes alone"),
        (nn.Linear(4, 4, dtype=torch.complex64), {}, "expected dense real weights, found torch.complex64"),
        (nn.Sequential(nn.Linear(4, 4), parametrizations.weight_norm(nn.Linear(4, 4))), {}, "weight norm"),
        (TIED, {}, "0 and 2 are one weight"),
        (nn.Sequential(nn.Linear(4, 4)), {"multipliers": "return"}, "multipliers='return' needs the input_shape"),
        (nn.Sequential(nn.Linear(4, 4)), {"multipliers": "twice"}, "multipliers must be one of"),
        (nn.Sequential(nn.Linear(4, 4)), {"distribution": "cauchy"}, "distribution must be one of"),
        (nn.Sequential(nn.Linear(4, 4)), {"numerator": -1.0}, "numerator must be a positive number"),
        (Calling(lambda self, x: self.a(x), a=nn.Linear(4, 4)), {"input_shape": (4,)}, "its forward is unknown"),
    ],
)
def test_what_cannot_be_initialized_is_refused_before_anything_changes(
    module: nn.Module, settings: dict[str, Any], said: str
) -> None:
    before = None if said.startswith(("is lazy", "scaling_plan")) else copy.deepcopy(module.state_dict())
    with pytest.raises(ValueError, match=said):
        geometric_init_(module, **settings)
    if before is not None:
        torch.testing.assert_close(dict(module.state_dict()), dict(before), rtol=0, atol=0)
