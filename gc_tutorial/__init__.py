"""Helpers of the gradient centralization tutorial; see https://arxiv.org/abs/2004.01461 for the method."""

import os

import lazy_loader

# Read once, when TensorFlow is imported: without it every notebook opens with lines about GPUs that are not there.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# TensorFlow, TFDS and matplotlib take seconds to import: nothing is imported before it is asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"plotting"},
    submod_attrs={
        "augmentation": ["STRONGER", "Ranges", "training_batches"],
        "callbacks": ["TimeHistory", "WeightMeanDrift"],
        "config": ["Settings", "settings"],
        "data": ["Data", "load_data"],
        "study.comparison": ["compare"],
        "models": ["build_cnn", "build_three_block_cnn", "loss_for"],
        "startup": ["start"],
        "optimizers": [
            "GCAdam",
            "GCAdamW",
            "GCRMSprop",
            "GCSGD",
            "GradientCentralization",
            "centralize",
            "centralized",
            "layer_axes",
        ],
    },
)
