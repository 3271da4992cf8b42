"""The quantities that several figures show."""

from distnlc.analysis.drawing.scatter import Quantity

NLC = Quantity("init_nlc", "initial NLC", log=True)
BIAS = Quantity("init_bias", "initial output bias", log=True)
TRAINED_NLC = Quantity("trained_nlc", "NLC after training", log=True)
TRAINED_BIAS = Quantity("trained_bias", "output bias after training", log=True)
TEST_ERROR = Quantity("test_error", "test error")

INSET = (0.8, 100.0)
"""the range of the NLC where the networks that learn lie"""
