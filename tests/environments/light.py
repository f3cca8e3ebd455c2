"""Train, save and load with the package alone: `make test-light` runs this where there is JAX and no TensorFlow."""

import importlib.metadata
import importlib.util
import tempfile
from pathlib import Path

import numpy as np

ABSENT = ["cv2", "matplotlib", "pandas", "sklearn", "tensorflow", "tensorflow_datasets", "torch"]
assert [name for name in ABSENT if importlib.util.find_spec(name)] == []

import keras  # noqa: E402

import gc_tutorial  # noqa: E402

assert keras.backend.backend() == "jax"
assert "site-packages" in gc_tutorial.__file__, "this must test the wheel, not the folder it was built from"

inputs = np.random.default_rng(0).normal(size=(64, 12, 12, 3)).astype("float32")
targets = (inputs.mean(axis=(1, 2, 3)) > 0).astype("float32")


def kernel_means(model):
    return [np.mean(kernel, axis=tuple(range(kernel.ndim - 1))) for kernel in model.get_weights() if kernel.ndim > 1]


for optimizer in (
    gc_tutorial.GCSGD(1e-2, momentum=0.9),
    gc_tutorial.GCAdam(1e-3, centralize="update"),
    gc_tutorial.centralized(keras.optimizers.Nadam)(1e-3, centralize="update"),
):
    layers = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((12, 12, 3)), *layers])
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    before, weights = kernel_means(model), model.get_weights()
    model.fit(inputs, targets, epochs=2, verbose=0)
    assert any(np.abs(old - new).max() > 1e-4 for old, new in zip(weights, model.get_weights(), strict=True))
    # The mean of each weight vector does not move: the sign that gradient centralization runs.
    for old, new in zip(before, kernel_means(model), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-6)

    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model.keras"))
        loaded = keras.models.load_model(Path(folder, "model.keras"))
    assert type(loaded.optimizer) is type(optimizer)
    for one in (model, loaded):
        one.fit(inputs, targets, epochs=1, shuffle=False, verbose=0)
    for trained, restored in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(trained, restored)

names = sorted({about.metadata["Name"] for about in importlib.metadata.distributions()})
assert len(names) <= 25, names
print(f"Trained, saved and loaded beside JAX; {len(names)} distributions: {', '.join(names)}.")
