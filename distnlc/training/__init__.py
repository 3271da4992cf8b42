"""Training populations of runs from one initialization.

trainer.py       takes a population through its epochs; schedule.py decides, rates.py gives the range of rates
programs.py      chooses the program: native_*.py and native.c on CPUs, mlp_program.py (mlp_population.py) elsewhere
start.py         where training starts, and the protocol of programs; spec.py, optimizers.py
checkpoint.py    the state of a long unit, kept while it is done
"""
