"""A study goes on with the data that it was begun with, or not at all."""

from pathlib import Path

import pytest

from distnlc.store import StoreError, keep_data_record, place_of, read_data_record

FOUND = {"a": {"name": "mnist", "files": {"images": "abc", "labels": "def"}, "train": 100, "d_in": 44}}
OTHER = {"a": {"name": "mnist", "files": {"images": "xyz", "labels": "def"}, "train": 100, "d_in": 234}}


def test_the_record_of_a_part_stays_and_later_parts_add_theirs(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    assert read_data_record(place) == {}
    assert keep_data_record(place, FOUND) == FOUND
    later = {"b": {"name": "cifar10", "files": {}}}
    assert keep_data_record(place, later) == FOUND | later
    assert keep_data_record(place, FOUND) == read_data_record(place) == FOUND | later


def test_other_data_are_refused_with_both_named(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    keep_data_record(place, FOUND)
    with pytest.raises(StoreError, match="part a was begun with other data") as refusal:
        keep_data_record(place, OTHER)
    assert "d_in: 44 -> 234" in str(refusal.value)
    assert "file images: abc -> xyz" in str(refusal.value)
    assert "labels" not in str(refusal.value)
    assert read_data_record(place) == FOUND


def test_facts_are_compared_as_they_are_kept(tmp_path: Path) -> None:
    """JSON has no tuples."""
    place = place_of(tmp_path)
    found = {"a": {"shape": (1, 8, 8), "missing": float("nan")}}
    keep_data_record(place, found)
    keep_data_record(place, found)
    with pytest.raises(StoreError, match="shape: "):
        keep_data_record(place, {"a": {"shape": (1, 8, 9)}})


@pytest.mark.parametrize("text", ["[]", "nonsense", '{"a": 1}', "[" * 100_000])
def test_a_record_of_nonsense_is_one_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(StoreError, match=r"data\.json: (cannot be read|expected part)"):
        keep_data_record(place_of(tmp_path), FOUND)
