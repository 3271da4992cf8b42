"""The headline of an NLC study is the correlation over all units so far, in constant memory."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from distnlc.studies.nlc.view import Headline


def architecture(nlc_value: float | None, error: float | None) -> Any:
    return SimpleNamespace(init_nlc=nlc_value, test_error=error)


def test_the_running_correlation_is_that_of_all_architectures_so_far() -> None:
    generator = np.random.default_rng(0)
    nlcs = np.exp(generator.normal(20, 2, 300))
    errors = 0.1 + 1e-3 * np.log(nlcs) + generator.normal(0, 1e-3, 300)
    shown = Headline()
    for count, (value, error) in enumerate(zip(nlcs, errors, strict=True), start=1):
        shown.add(architecture(value, error))
        if count in {3, 50, 300}:
            expected = np.corrcoef(np.log(nlcs[:count]), errors[:count])[0, 1]
            assert shown.numbers()["correlation_log_nlc_test_error"] == pytest.approx(expected, rel=1e-12)
            assert shown.numbers()["best_test_error"] == errors[:count].min()


def test_architectures_without_a_number_and_constant_ones_are_left_out() -> None:
    shown = Headline()
    assert shown.numbers() == {}
    for value, error in [(None, None), (2.0, None), (math.inf, 0.1), (0.0, 0.1), (math.nan, 0.1)]:
        shown.add(architecture(value, error))
    assert shown.numbers() == {}
    for _ in range(5):
        shown.add(architecture(2.0, 0.5))
    assert shown.numbers() == {"best_test_error": 0.5}
