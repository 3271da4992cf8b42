"""Quantities of a network, one file each: functions of (network, inputs, ...) for any module or callable.

A network maps (batch, d_in...) to (batch, d_out); everything is computed in the dtype and on the device
of the inputs, from a seed, and leaves the network as it was. Networks with batch statistics are
functions of batches. `catalog/` says what each quantity is called, `suite.py` measures all of them.
"""
