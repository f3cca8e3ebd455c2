"""Helpers of the gradient centralization tutorial; see https://arxiv.org/abs/2004.01461 for the method."""

import os

import lazy_loader

# TensorFlow reads this once, when it is imported. Without it every notebook opens with lines about missing GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# TensorFlow, TFDS and matplotlib take seconds to import: each name in __init__.pyi is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
