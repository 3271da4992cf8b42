"""What `distnlc bench` measures on the machine where it runs: training, metrics, engine; a file for each part.

`command.py` is the command. `cells.py`, `variants.py`, `plain.py` and `products.py` are what `training.py` compares;
`measuring.py` makes it ready and times it. `machine.py` and `display.py` serve all parts.
"""
