"""Training populations of runs; README.md says what each program covers.

start.py         where training starts, and the protocol of programs
programs.py      chooses the program: native_*.py and native/ for layered networks on CPUs, fused_*.py on CUDA,
                 layered_program.py (layered_population.py) elsewhere, module_program.py for any other torch module;
                 optimizers.py; captured.py: CUDA graphs
population.py    a population in training, and the order in which its runs see the data; evaluation.py
trainer.py       the trainer by patience: schedule.py decides, rates.py gives the range of rates
fixed_steps.py   the trainer by a fixed number of updates; full_batch.py: by L-BFGS
spec.py          what a study says of all this
checkpoint.py    the state of a long unit, kept while it is done
"""
