"""Tests of the CUDA path on a pretended GPU; see plugin.py."""
