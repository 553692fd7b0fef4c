"""What a docstring shows is what happens."""

import doctest
import importlib
import inspect
import pkgutil

import d2lhelpers

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(d2lhelpers.__path__, "d2lhelpers.")
    if not module.name.startswith(("d2lhelpers.suite", "d2lhelpers.__main__"))
)
# The functions that a reader's own code begins with.
WITH_EXAMPLE = {
    "augmentation": ["random_crop", "random_flip"],
    "context": ["try_gpu"],
    "convolution": ["conv2d", "corr2d"],
    "data": ["ArrayIterator"],
    "metrics": ["accuracy", "accuracy_by_class", "confusion_matrix", "count_correct", "evaluate_accuracy"],
    "networks": ["num_parameters"],
    "numpy_cnn": ["col2im", "cross_entropy", "im2col", "numerical_gradient", "one_hot", "relative_error", "softmax"],
    "seeding": ["seed_everything"],
    "sizes": ["output_size", "receptive_field"],
    "training": ["fit"],
}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_give_what_they_show(name):
    module = importlib.import_module(name)
    names = {"mx": mx, "nd": nd, "np": np}
    finder, runner = doctest.DocTestFinder(recurse=True), doctest.DocTestRunner()
    for test in finder.find(module, extraglobs=names):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in WITH_EXAMPLE for name in WITH_EXAMPLE[module]]
)
def test_the_functions_that_are_used_first_have_an_example(module, name):
    assert ">>> " in inspect.getdoc(getattr(importlib.import_module(f"d2lhelpers.{module}"), name))
