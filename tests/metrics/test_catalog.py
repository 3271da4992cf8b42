"""The catalog has every quantity of its files under one name."""

import importlib
import pkgutil

from distnlc.metrics import catalog
from distnlc.records import Quantity


def test_no_name_stands_in_two_files_and_all_are_in_the_catalog() -> None:
    files = [
        importlib.import_module(f"{catalog.__name__}.{each.name}") for each in pkgutil.iter_modules(catalog.__path__)
    ]
    names = [name for file in files for name, value in vars(file).items() if isinstance(value, Quantity)]
    assert len(names) == len(set(names))
    assert {name for name, value in vars(catalog).items() if isinstance(value, Quantity)} == set(names)
