"""Arrays of integers: times, sizes and positions of many frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
NONE: Ints = np.zeros(0, np.int64)
