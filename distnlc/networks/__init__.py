"""Networks: described, initialized, as one torch module.

layered.py         the description of a fully-connected network, layer by layer; architecture.py: those of the NLC study
mlp.py             such a network as a torch module
initialization.py  its first numbers; activations.py, quadrature.py, loss.py; seeded.py: for modules that draw their own
"""
