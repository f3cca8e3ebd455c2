"""Tables of the study's form with known effects, for tests of what is read out of them."""

import itertools
import zlib

import numpy as np
import pandas as pd

RATES = [10.0**power for power in (-4, -3.5, -3, -2.5, -2)]


def made_table(
    *,
    arms=("none", "gradient"),
    rates=RATES,
    seeds=range(100, 105),
    stage="tuning",
    best=1e-3,
    gain=0.0,
    accuracy=0.0,
    noise=0.02,
    epochs=12,
    diverged=(),
    **factors,
):
    """A table of runs whose losses fall exponentially, and are best at one rate.

    Args:
        arms, rates, seeds, stage, epochs: as in a plan.
        best: the rate at which the loss ends lowest: a float, or a dict from arm to float.
        gain: by how much the logarithm of the loss is lower: a float, of all arms but "none", or a dict.
        accuracy: by how much held-out accuracy is higher: a float of all arms but "none", or a dict.
        noise: standard deviation of what differs between arms within a seed.
        diverged: (arm, rate, seed) of runs whose loss is not finite from epoch 3 on.
        **factors: columns of the setting that differ from the usual.
    """
    setting = {
        "data": "horses_or_humans",
        "network": "cnn",
        "scaling": "0..1",
        "optimizer": "rmsprop",
        "weight_decay": 0.0,
        "schedule": "constant",
        "epochs": epochs,
        "image_size": 94,
        "batch_size": 32,
        "train_examples": np.nan,
        "pretrained": np.nan,
        **factors,
    }
    rows = []
    for seed, rate, arm in itertools.product(seeds, rates, arms):
        of_seed = np.random.default_rng([seed, 1]).normal(size=2)
        random = np.random.default_rng([seed, zlib.crc32(f"{setting}{arm}{rate:.3e}".encode())])
        own = random.normal(size=3) * noise
        off = np.log10(rate / (best[arm] if isinstance(best, dict) else best))
        log_loss = -1.3 + 0.8 * off**2 - _of(gain, arm) + 0.1 * of_seed[0] + own[0]
        right = 0.75 - 0.05 * off**2 + _of(accuracy, arm) + 0.08 * of_seed[1] + own[1]
        for epoch in range(1, epochs + 1):
            lost = (arm, rate, seed) in diverged and epoch >= 3
            final = np.exp(log_loss)
            loss = final + (0.7 - min(final, 0.6)) * np.exp(-(epoch - 1) / 3)
            measured = epoch > epochs - 3 and not lost
            shifted = measured and setting["data"] == "horses_or_humans"
            rows.append(
                {
                    "run": "-".join(map(str, (*setting.values(), arm, rate, stage, seed))),
                    "stage": stage,
                    **setting,
                    "arm": arm,
                    "learning_rate": rate,
                    "seed": seed,
                    "epoch": epoch,
                    "train_loss": np.nan if lost else loss + 0.02,
                    "train_accuracy": np.nan if lost else 0.8,
                    "clean_loss": loss if measured else np.nan,
                    "clean_accuracy": 0.9 if measured else np.nan,
                    "heldout_loss": 0.6 - 0.8 * (right - 0.75) + 0.02 * own[2] if measured else np.nan,
                    "heldout_accuracy": right if measured else np.nan,
                    "heldout_auc": right + 0.1 if measured else np.nan,
                    "shifted_loss": 0.5 if shifted else np.nan,
                    "shifted_accuracy": right - 0.05 if shifted else np.nan,
                    "shifted_auc": 0.9 if shifted else np.nan,
                    "seconds": 2.0,
                    "status": "diverged" if (arm, rate, seed) in diverged else "finished",
                    "share_1": 0.3 + 0.01 * of_seed[0],
                    "chance_1": 1 / 27,
                }
            )
    table = pd.DataFrame(rows)
    return table[~(table["train_loss"].isna() & (table["epoch"] > 3))]  # a run that diverges ends there


def _of(value, arm):
    if isinstance(value, dict):
        return value.get(arm, 0.0)
    return 0.0 if arm == "none" else value
