"""Placement cannot matter: two Ray workers give the rows of one process, for every kind of study."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from distnlc.cli.contract import Trial, gives_the_same_rows_on_two_workers
from tests.helpers.small_studies import SMALL, small_study


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray head with two cores, joined by this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0})
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("kind", SMALL)
def test_two_workers_give_the_rows_of_one_process(kind: str, tmp_path: Path) -> None:
    gives_the_same_rows_on_two_workers(Trial(small_study(kind), tmp_path))
