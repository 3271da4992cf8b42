"""One small file per figure of the paper. Each offers `draw(tables) -> Drawing` and runs alone:

    python -m analysis.figures.figure2 DIR [--out FILE]

`drawing.py` says what a figure is and writes it; `scatter.py` draws two quantities against each other.
"""
