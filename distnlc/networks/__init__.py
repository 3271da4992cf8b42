"""Networks: drawn, initialized, as one torch module and as a population of parameter sets."""
