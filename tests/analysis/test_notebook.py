"""analysis/explore.ipynb runs, and the outputs that it shows are those of today's example study."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot

NOTEBOOK = Path(__file__).parents[2] / "analysis" / "explore.ipynb"


@pytest.mark.slow
def test_its_code_says_what_its_outputs_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and the table are executed, not compared."""
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path))
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    names = dict[str, object]()
    with mpl.rc_context({"backend": "agg"}):
        for number, cell in enumerate(cells, start=1):
            shown = "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")
            said = StringIO()
            with redirect_stdout(said):
                exec(compile("".join(cell["source"]), f"explore.ipynb, code cell {number}", "exec"), names)
            assert said.getvalue() == shown, "execute the notebook again"
        assert len(pyplot.get_fignums()) == 2
        pyplot.close("all")


def test_it_is_small_complete_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text()
    assert len(text) < 300_000
    assert text.count('"image/png"') == 2
    assert '"output_type": "error"' not in text
    for word in ("/home/", "/root/", "/tmp/", "/work/", "plotly", '"execution":'):
        assert word not in text
