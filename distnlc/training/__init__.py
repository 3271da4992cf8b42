"""Training populations of runs: the schedule, the fast trainer, the range of learning rates."""
