"""Warnings that a process gives once, although the same reason comes with every population."""

import logging
from functools import cache

log = logging.getLogger(__name__)


@cache
def warn_once(reason: str) -> None:
    log.warning("%s", reason)
