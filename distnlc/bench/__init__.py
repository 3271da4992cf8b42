"""`distnlc bench`: the speed of the machine where it runs.

command.py        the command: its parts, one table for each, and one JSON file with all measurements
gpu_part.py       what a person with a GPU runs first; gpu_*.py are its pieces
training_part.py  training against plain PyTorch, a torch.func population and bare matrix products; of which
                  cells.py is the grid, variants.py and products.py what is compared, team.py times it in processes
metrics_part.py   the NLC against an epoch of training
engine_part.py    the engine's overhead and a second worker
scale_part.py     100,000 units that do nothing
machine.py        the machine, its clock and its environment

A part's `measure` gives plain data: `how` it was measured; `summary`, row -> column -> number; single measurements.
"""
