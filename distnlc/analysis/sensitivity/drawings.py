"""Drawings of the paper that need no records: the ellipse of figure 2, the trajectory of App. 7, evidence (App. 10)."""

import math

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from distnlc.analysis import report
from distnlc.analysis.drawing.axes import COLOURS
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.tables import Tables

SIDE = 28
"""pixels of an image's width, and so translations, as of MNIST"""
BOUNDARIES = 18
Image = NDArray[np.float64]


def draw_ellipse(axes: Axes) -> None:
    """The circle of which an ellipse is the image, its three points, and where it begins."""
    angles = np.linspace(0, 2 * math.pi, 200)
    axes.plot(np.cos(angles), np.sin(angles), color=COLOURS[6], linewidth=1.2)
    corners = np.array([math.pi / 3, math.pi, 5 * math.pi / 3])
    axes.fill(np.cos(corners), np.sin(corners), facecolor="none", edgecolor="0.7", linewidth=0.8, linestyle="--")
    for number, angle in enumerate(corners, 1):
        x, y = math.cos(angle), math.sin(angle)
        axes.plot(x, y, marker="o", markersize=7, color=COLOURS[1], zorder=3)
        axes.annotate(f"x{'₁₂₃'[number - 1]}", (x, y), (1.3 * x, 1.25 * y), ha="center", va="center", fontsize=10)
    for angle, label in zip(corners, ("π/3", "π", "5π/3"), strict=True):
        axes.text(0.68 * math.cos(angle), 0.68 * math.sin(angle), label, ha="center", va="center", fontsize=8.5)
    axes.text(1.12, 0, "t = 0", ha="left", va="center", fontsize=8.5)
    axes.plot(1, 0, marker="|", markersize=9, color=COLOURS[6])
    axes.set_xlim(-1.6, 1.6)
    axes.set_ylim(-1.6, 1.6)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _digit() -> Image:
    """A hand-made four, (SIDE, SIDE)."""
    across, up = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    strokes = (((9, 6), (7, 15)), ((7, 15), (18, 15)), ((17, 6), (16, 22)))
    image = np.zeros((SIDE, SIDE))
    for (x0, y0), (x1, y1) in strokes:
        along = np.clip(((across - x0) * (x1 - x0) + (up - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2), 0, 1)
        far = np.hypot(across - x0 - along * (x1 - x0), up - y0 - along * (y1 - y0))
        image = np.maximum(image, np.clip(2 - far, 0, 1))
    return image


def draw_trajectory(_: Tables) -> Drawing:
    """App. 7: the horizontal translations of a digit, joined by straight lines, among linear regions."""
    figure, (left, right) = page([("translations of one image", []), ("the trajectory through them", [])], height=2.8)
    digit = _digit()
    shifts = np.arange(0, SIDE, SIDE // 4)
    tiles = np.concatenate([np.pad(np.roll(digit, shift, axis=1), 1, constant_values=0.4) for shift in shifts], axis=1)
    left.imshow(1 - tiles, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for place, shift in enumerate(shifts):
        left.text((place + 0.5) / shifts.size, -0.04, f"shift {shift}", transform=left.transAxes, ha="center", va="top")
    left.set_axis_off()
    generator = np.random.default_rng(4)
    images = np.array([np.roll(digit, shift, axis=1).ravel() for shift in range(SIDE)])
    plane = np.linalg.svd(images - images.mean(axis=0), full_matrices=False)[2][:3]
    points = (images - images.mean(axis=0)) @ plane.T
    across, up = points[:, 0] + 0.35 * points[:, 2], points[:, 1] + 0.2 * points[:, 2]
    reach = 1.25 * float(np.abs([across, up]).max())
    for angle, offset in zip(
        generator.uniform(0, math.pi, BOUNDARIES), generator.uniform(-0.9, 0.9, BOUNDARIES) * reach, strict=True
    ):
        normal, along = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
        ends = offset * normal + np.array([[-3], [3]]) * reach * along
        right.plot(ends[:, 0], ends[:, 1], color="0.75", linewidth=0.8, zorder=1)
    closed = np.append(np.arange(SIDE), 0)
    right.plot(across[closed], up[closed], color=COLOURS[0], linewidth=1.4, marker="o", markersize=4)
    right.set_xlim(-reach, reach)
    right.set_ylim(-reach, reach)
    right.set_xticks([])
    right.set_yticks([])
    caption = (
        f"A drawing. Left: an image moved by some of its {SIDE} horizontal shifts, with wrap-around. Right: all of "
        "them joined by straight lines in a closed trajectory, as three of its directions show it; grey lines stand "
        "for boundaries of linear regions. Each crossing of a neuron's boundary is a transition."
    )
    return Drawing(caption, figure)


def draw_evidence(_: Tables) -> Drawing:
    """App. 10: what Occam's razor says of small and large models, and what networks may be like."""
    figure, panels = page([("expectation", []), ("reality?", [])], height=2.6)
    data = np.linspace(0, 10, 400)

    def bell(middle: float, width: float) -> Image:
        return np.asarray(np.exp(-(((data - middle) / width) ** 2) / 2) / width)

    curves = ((bell(2.0, 0.9), bell(2.0, 2.6)), (2.4 * np.exp(-data / 0.9), 1.15 * np.exp(-data / 1.9)))
    for axes, (small, large), marks in zip(panels, curves, ((2.3, 5.5), (1.25,)), strict=True):
        axes.plot(data, small, color=COLOURS[0], linewidth=1.6)
        axes.plot(data, large, color=COLOURS[1], linewidth=1.6)
        for place in marks:
            axes.axvline(place, color="0.6", linestyle=":", linewidth=1)
            axes.text(place + 0.1, 0.93 * axes.get_ylim()[1], "D", fontsize=9, va="top")
        axes.set_xlabel("all data sets, by the large model's evidence")
        axes.set_ylabel("evidence")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlim(0, 8)
        axes.set_ylim(0, None)
    for label, colour, up in (("small model", COLOURS[0], 0.9), ("large model", COLOURS[1], 0.78)):
        panels[1].text(0.55, up, label, transform=panels[1].transAxes, color=colour, fontsize=9.5)
    caption = (
        "A drawing. Left: the evidence of a small model is narrow and high, so that it wins wherever it fits a data "
        "set D. Right: the large model may give most of its mass to simple functions too, so that which model wins "
        "depends on where exactly D lies. Figure 1 is why the left picture does not hold for networks."
    )
    return Drawing(caption, figure)


FIGURE_APP7 = report.Figure("figureApp7", "Figure App. 7: a trajectory of translations", draw_trajectory)
FIGURE_APP10 = report.Figure("figureApp10", "Figure App. 10: Occam's razor, expected and supposed", draw_evidence)
