"""The README names only what exists: files, presets, commands, Python names."""

import re
from pathlib import Path

import pytest

import distnlc
from distnlc import analysis
from distnlc.cli.commands import app
from distnlc.studies import presets

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("pattern", [r"\]\(([^)]+)\)", r"`((?:distnlc|analysis|cluster|tests)/[\w./-]*)`"])
def test_every_linked_and_named_file_exists(pattern: str) -> None:
    paths = re.findall(pattern, README)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_command_exists() -> None:
    known = {(command.name or command.callback.__name__).replace("_", "-") for command in app.registered_commands}
    named = set(re.findall(r"(?:^|`|bin/)distnlc ([a-z]+)", README, flags=re.MULTILINE))
    assert {"run", "plan", "status", "report", "export", "presets"} <= named
    assert named <= known


def test_every_study_that_is_run_by_name_is_a_preset() -> None:
    named = set(re.findall(r"distnlc (?:run|plan) +([a-z0-9-]+)(?= |$|`)", README))
    assert named
    assert named <= {name for named in presets().values() for name in named}


def test_the_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", README)) <= targets


@pytest.mark.parametrize("module", [distnlc, analysis])
def test_every_public_name_can_be_imported(module: object) -> None:
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize(("page", "examples"), [("README.md", 2), ("distnlc/training/README.md", 1)])
def test_the_python_examples_run(page: str, examples: int) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    assert len(blocks) == examples
    for block in blocks:
        exec(compile(block, page, "exec"), {})


def test_the_page_of_the_user_s_own_links_to_what_there_is_and_tells_the_example_s_length() -> None:
    page = ROOT / "distnlc" / "studies" / "YOURS.md"
    links = re.findall(r"\]\(([^)]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link.partition("#")[0]).exists()] == []
    (lines,) = re.findall(r"has (\d+) lines", page.read_text())
    assert int(lines) == len((ROOT / "analysis" / "yours" / "my_study.py").read_text().splitlines())
