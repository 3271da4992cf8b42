"""Torch computes with one thread, as a unit does on a CPU."""

import torch

torch.set_num_threads(1)
