"""Sensitivity and generalization (Novak, Bahri, Abolafia, Pennington and Sohl-Dickstein 2018).

A unit is one network that is trained once and measured.
"""
