"""The machine that is measured: its description, its clock, and the environment of new processes."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from distnlc.training.programs import processor
from distnlc.versions import cores, versions


def describe(device: str) -> dict[str, Any]:
    """What the numbers depend on, as plain data."""
    return {"device": device, "processor": processor(device), "cores": cores(), **versions()}


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """These environment variables, for processes that are started within."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def seconds(work: Callable[[], Any], device: str) -> float:
    """The wall time of the work, including what the device still had to do for it."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    began = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - began
