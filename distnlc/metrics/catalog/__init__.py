"""Every quantity that is measured of a network, once: its label, unit, scale and the columns of its cost.

The rows of a study kind cite these with `column()`, so that two kinds and `distnlc measure` call one thing by one name.
Nothing here needs torch. One file for each paper; all their names are here.
"""

from distnlc.metrics.catalog.gradients import *
from distnlc.metrics.catalog.moments import *
from distnlc.metrics.catalog.nlc import *
from distnlc.metrics.catalog.scaling import *
from distnlc.metrics.catalog.sensitivity import *
from distnlc.metrics.catalog.zero_cost import *
