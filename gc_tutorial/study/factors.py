"""The factors of a study and the names of their values, each with a short description.

No large package is imported here, so that plans are checked without delay.
"""

from dataclasses import dataclass

STAGES = ("tuning", "confirmation")

ARMS = {
    "none": "no GC",
    "gradient": "GC on the gradient",
    "update": "GC on the update",
    "recompiled": "no GC; after the last epoch compiled again, and trained for as many epochs more",
    "random_direction": "a fixed random direction removed instead of the mean",
    "first_layer": "GC in the first layer only",
    "conv_only": "GC in convolutions only",
    "dense_only": "GC in dense layers only",
    "raw_norm": "GC, rescaled to the norm of the raw gradient",
    "half": "half of the mean removed",
    "twice": "twice the mean removed",
    "first_two_epochs": "GC in epochs 1 and 2 only",
}
OPTIMIZERS = {"rmsprop": "RMSprop", "sgd": "SGD with momentum 0.9", "adam": "Adam", "adamw": "AdamW"}
NETWORKS = {
    "cnn": "the plain CNN: five blocks",
    "cnn_bn": "the same five blocks, with batch normalization",
    "small_cnn": "the small CNN: two convolutions and a dense layer",
    "small_cnn_bn": "the same two convolutions and dense layer, with batch normalization",
    "vit": "a small transformer for images",
}
SMALLEST_IMAGES = {"cnn": 94, "cnn_bn": 94, "small_cnn": 4, "small_cnn_bn": 4, "vit": 24}  # pixels
SCALINGS = {"0..1": "inputs in [0, 1]", "-1..1": "inputs in [-1, 1]"}
SCHEDULES = {"constant": "constant rate", "warmup": "linear warm-up over the first epoch"}
SPLITS = {"fold": "a fifth held out", "all": "all examples trained on"}
AUGMENTATIONS = {"published": "flips, rotation, zoom", "mild": "horizontal flip, small rotation, zoom", "none": "none"}

# Data sets that are not images of pixels from 0 to 255: nothing augments them, and only the small CNNs take them.
BUILT_IN = ("digits", "mnist1d")
FOR_BUILT_IN = ("small_cnn", "small_cnn_bn")
IMAGE_SETS = "GC_TUTORIAL_IMAGE_SETS"  # the variable that names a folder with further image sets, NAME or NAME.zip

HORSES = "horses_or_humans"  # the one set that also has shifted images, which are on white
MEASURED = (  # outcomes of a run
    "clean_loss",
    "clean_accuracy",
    "heldout_loss",
    "heldout_accuracy",
    "heldout_auc",
    "shifted_loss",
    "shifted_accuracy",
    "shifted_auc",
    "train_loss",
)

COMPARED_ARMS = ("none", "gradient", "update", "recompiled")


@dataclass(frozen=True)
class Comparison:
    """Defaults of `compare`, in Python and in the shell."""

    optimizer: str = "rmsprop"
    learning_rate: float = 1e-3
    arms: tuple[str, ...] = ("none", "gradient", "update")
    seeds: int = 10
    image_size: int = 150
    batch_size: int = 32
    epochs: int = 12


COMPARE = Comparison()
