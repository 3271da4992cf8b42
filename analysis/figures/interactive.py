"""Figure 2 to explore: the same points as in figure2.py, and pointing at one shows its architecture.

Out: a piece of HTML that holds the whole plotly library, so that the report needs no network.
"""

from html import escape

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis import text
from analysis.figures.figure2 import NLC, TEST_ERROR
from analysis.figures.scatter import GROUPS, group_of, plotted
from analysis.load import Tables
from analysis.parts import parts_of

SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up"}
PANEL_HEIGHT = 400  # pixels


def figure2_html(tables: Tables) -> str:
    """The HTML of one interactive panel per part (about 5 MB), or "" if there is nothing to show."""
    shown = [
        (part, plotted(part, NLC, TEST_ERROR)) for part in parts_of(tables.architectures, criterion="validation-error")
    ]
    shown = [(part, rows) for part, rows in shown if len(rows)]
    if not shown:
        return ""
    figure = make_subplots(
        rows=len(shown),
        subplot_titles=[escape(part.title) for part, _ in shown],
        vertical_spacing=0.25 / len(shown),
    )
    named = set()
    for position, (_, rows) in enumerate(shown, start=1):
        groups = group_of(rows)
        for index, group in enumerate(GROUPS):
            members = rows[groups == index]
            if members.empty:
                continue
            figure.add_trace(
                go.Scatter(
                    x=members[NLC.column].to_list(),
                    y=members[TEST_ERROR.column].to_list(),
                    mode="markers",
                    marker={
                        "color": group.colour,
                        "symbol": SYMBOLS[group.marker],
                        "size": 7,
                        "opacity": 0.8,
                    },
                    name=group.label,
                    legendgroup=group.label,
                    showlegend=group.label not in named,
                    text=[_about(row) for _, row in members.iterrows()],
                    hovertemplate="%{text}<extra></extra>",
                ),
                row=position,
                col=1,
            )
            named.add(group.label)
    figure.update_xaxes(type="log", title_text=NLC.label, exponentformat="power", gridcolor="#eee")
    figure.update_yaxes(title_text=TEST_ERROR.label, gridcolor="#eee")
    figure.update_layout(
        height=PANEL_HEIGHT * len(shown) + 60,
        margin={"l": 60, "r": 15, "t": 50, "b": 50},
        plot_bgcolor="white",
        legend={"orientation": "h", "y": 1 + 60 / (PANEL_HEIGHT * len(shown)), "yanchor": "bottom"},
    )
    html: str = figure.to_html(
        full_html=False,
        include_plotlyjs=True,
        div_id="figure2-interactive",
        config={"responsive": True, "displayModeBar": False},
    )
    return html


def _about(row: pd.Series) -> str:
    skips = f"strength {row['skip_strength']:.2f}" if row["skip_strength"] > 0 else "none"
    return "<br>".join(
        (
            f"<b>architecture {row['index']}</b> ({escape(str(row['architecture_id']))})",
            f"depth {row['depth']}, width {row['width']}, {escape(str(row['activation']))}",
            f"normalization {escape(str(row['normalization']))}, skip connections: {skips}",
            f"initial NLC {text.number(row['init_nlc'])}, initial bias {text.number(row['init_bias'])}",
            f"test error {text.number(row['test_error'])}",
        )
    )
