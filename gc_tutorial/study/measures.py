"""What is measured of a run beside its training loss: clean, held-out and shifted measures, and what GC removes."""

from collections.abc import Container, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import special
from sklearn.metrics import roc_auc_score

BATCH = 256


class CleanMeasures(keras.callbacks.Callback):
    """Measure the network without dropout and augmentation, after some of the epochs.

    Args:
        sets: dict from a name, such as `"heldout"`, to a tuple of inputs and labels.
        epochs: container of the epochs, counted from 1, after which to measure.

    Attributes:
        rows: dict from epoch to a dict of `NAME_loss`, `NAME_accuracy` and `NAME_auc` for each set.
        logits: dict from `NAME_EPOCH` to the float32 logits of each example, of shape (count, 1) or (count, classes).
    """

    def __init__(self, sets: Mapping[str, Any], epochs: Container[int]) -> None:
        super().__init__()
        self.sets, self.epochs = sets, epochs
        self.rows: dict[int, dict[str, float]] = {}
        self.logits: dict[str, np.ndarray] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        last = self.model.layers[-1]
        features = keras.Model(self.model.inputs, last.input)

        @tf.function(input_signature=[tf.TensorSpec([None, *self.model.input_shape[1:]], self.model.inputs[0].dtype)])
        def compute(inputs):
            return tf.matmul(tf.cast(features(inputs, training=False), tf.float32), last.kernel) + last.bias

        self._compute = compute

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if epoch + 1 not in self.epochs:
            return
        row = self.rows[epoch + 1] = {}
        for name, (inputs, labels) in self.sets.items():
            batches = [inputs[first : first + BATCH] for first in range(0, len(inputs), BATCH)]
            logits = np.concatenate([self._compute(tf.cast(batch, tf.float32)).numpy() for batch in batches])
            self.logits[f"{name}_{epoch + 1}"] = logits
            row.update({f"{name}_{measure}": value for measure, value in score(logits, labels).items()})


def score(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Reduce logits to three numbers.

    Args:
        logits: array of shape (count, 1) for two classes, or (count, classes).
        labels: integer array of shape (count,).

    Returns:
        dict of loss (mean cross-entropy, in nats), accuracy (0 to 1) and auc (area under the ROC curve; for more than
        two classes the mean of one against the rest). All NaN where a logit is not finite.
    """
    if not np.isfinite(logits).all():
        return dict.fromkeys(("loss", "accuracy", "auc"), float("nan"))
    logits = logits.astype(np.float64)
    if logits.shape[1] == 1:
        signed = np.where(labels == 1, logits[:, 0], -logits[:, 0])
        loss, correct, auc = -special.log_expit(signed), signed > 0, roc_auc_score(labels, logits[:, 0])
    else:
        loss = -special.log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
        correct = logits.argmax(axis=1) == labels
        auc = roc_auc_score(labels, special.softmax(logits, axis=1), multi_class="ovr")
    return {"loss": float(loss.mean()), "accuracy": float(correct.mean()), "auc": float(auc)}


class RemovedShares(keras.callbacks.Callback):
    """Keep, for each epoch, the share of the squared gradient norm that GC removes, layer by layer.

    Attributes:
        rows: dict from epoch to a dict of `share_1`, `share_2`, ...: one for each kernel, in the order of the network.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, dict[str, float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        shares = self.model.optimizer.removed_shares()
        self.rows[epoch + 1] = {f"share_{place}": share for place, share in enumerate(shares, start=1)}
