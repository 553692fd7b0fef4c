"""What kernels get is the same wherever a notebook is recorded, run or compared."""

import os

from d2lhelpers.suite.needs import kernel_environment


def test_figures_are_compared_with_the_backend_that_recorded_them():
    assert os.environ["NBTOLERANCE_MPLBACKEND"] == kernel_environment()["NBTOLERANCE_MPLBACKEND"]
