import dataclasses
import random
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from gc_tutorial.study import networks, training
from gc_tutorial.study.datasets import Examples
from gc_tutorial.study.factors import NETWORKS, SMALLEST_IMAGES
from gc_tutorial.study.measures import CleanMeasures, score
from gc_tutorial.study.networks import build_network
from gc_tutorial.study.runs import Run

SMALL = Run(data="digits", network="small_cnn", optimizer="adam", learning_rate=1e-3, epochs=2, seed=100, image_size=8,
            augmentation="none", evaluate_last=1, train_examples=100)  # fmt: skip


def without_times(result):
    return [{key: value for key, value in row.items() if key not in ("seconds", "ended")} for row in result["rows"]]


@pytest.fixture(scope="module")
def result():
    return training.train(SMALL)


def test_a_run_has_a_row_for_each_epoch_and_clean_measures_in_the_last(result):
    first, last = result["rows"]
    assert (first["epoch"], last["epoch"], last["status"]) == (1, 2, "finished")
    assert "heldout_loss" not in first
    for measure in ("clean_loss", "clean_accuracy", "clean_auc", "heldout_loss", "heldout_accuracy", "train_loss"):
        assert np.isfinite(last[measure])
    assert last["train_loss"] < first["train_loss"]
    assert result["kernels"] == ["conv2d/kernel", "conv2d_1/kernel", "dense/kernel", "dense_1/kernel"]
    assert result["chance"] == pytest.approx([1 / 9, 1 / 288, 1 / 256, 1 / 128])
    assert all(0 < row[f"share_{place}"] < 1 for row in (first, last) for place in range(1, 5))
    assert {name: logits.shape for name, logits in result["logits"].items()} == {
        "clean_2": (100, 10),
        "heldout_2": (360, 10),
    }


def test_the_same_run_again_is_the_same_to_the_bit(result):
    training.train(dataclasses.replace(SMALL, seed=101))
    again = training.train(SMALL)
    assert without_times(again) == without_times(result)
    np.testing.assert_array_equal(again["logits"]["heldout_2"], result["logits"]["heldout_2"])


def test_the_start_follows_from_the_seed_whatever_other_threads_draw(result):
    """Dask's threads draw from Python's generator: here many do, all the time."""
    stop = threading.Event()

    def draw():
        while not stop.wait(1e-4):  # a pause, or the threads would take the time of the training
            random.random()

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        again = training.train(SMALL)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert without_times(again) == without_times(result)


def test_arms_share_all_but_the_gradient(result):
    """With a rate of almost nothing nothing is learned, and every arm is left where it began."""
    still = [
        training.train(dataclasses.replace(SMALL, arm=arm, learning_rate=1e-30)) for arm in ("none", "gradient", "half")
    ]
    assert without_times(still[0]) == without_times(still[1]) == without_times(still[2])
    assert without_times(still[0]) != without_times(result)


@pytest.mark.parametrize(
    "change",
    [
        {"arm": "gradient"},
        {"arm": "first_two_epochs", "epochs": 3},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"schedule": "warmup"},
        {"network": "small_cnn_bn"},
        {"seed": 101},
    ],
)
def test_a_factor_that_is_changed_changes_the_result(result, change):
    found = training.train(dataclasses.replace(SMALL, **change))
    assert without_times(found)[:2] != without_times(result)
    assert found["rows"][-1]["status"] == "finished"


def test_every_epoch_is_measured_where_no_last_ones_are_named():
    rows = training.train(dataclasses.replace(SMALL, evaluate_last=0))["rows"]
    assert all("clean_loss" in row for row in rows)


def test_all_examples_are_trained_on_where_nothing_is_held_out():
    found = training.train(dataclasses.replace(SMALL, split="all", train_examples=0, epochs=1))
    assert found["logits"]["clean_1"].shape == (1797, 10)
    assert "heldout_loss" not in found["rows"][0]


def test_a_recompiled_run_goes_on_for_as_many_epochs(result):
    rows = training.train(dataclasses.replace(SMALL, arm="recompiled"))["rows"]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["train_loss"] for row in rows[:2]] == [row["train_loss"] for row in result["rows"]]
    assert rows[3]["train_loss"] < rows[1]["train_loss"]
    assert "heldout_loss" in rows[3]
    assert all(0 < row["share_1"] < 1 for row in rows)


def test_a_run_that_diverges_says_so():
    result = training.train(dataclasses.replace(SMALL, optimizer="sgd", learning_rate=1e38))
    assert {row["status"] for row in result["rows"]} == {"diverged"}
    assert all(value is None or value == value for row in result["rows"] for value in row.values())  # no NaN in JSON


def test_a_run_that_diverges_before_it_is_measured_guesses_every_figure(monkeypatch):
    whole = training.examples(SMALL.data, SMALL.image_size, SMALL.seed)
    figures = np.array(["horse01", "human01"] * len(whole.heldout[1]))[: len(whole.heldout[1])]
    pictured = dataclasses.replace(whole, figures=figures)
    monkeypatch.setattr(training, "examples", lambda *arguments: pictured)
    result = training.train(
        dataclasses.replace(SMALL, optimizer="sgd", learning_rate=1e38, epochs=4, evaluate_last=1, augmentation="none")
    )
    assert result["rows"][-1]["status"] == "diverged"
    assert result["figures"] == {"horse01": 0.1, "human01": 0.1}


def test_training_ends_in_the_epoch_whose_loss_is_no_number():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    inputs = np.ones((12, 2), np.float32)
    batches = tf.data.Dataset.from_tensor_slices((inputs, np.ones(12))).batch(4)
    rows = training.fit(model, batches, lambda: model.compile(Lost(1.0), "mse", metrics=["accuracy"]), 5, 5)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert np.isfinite(rows[0]["train_loss"]) and np.isnan(rows[1]["train_loss"])


class Lost(keras.optimizers.SGD):
    """Loses the weights in the fourth step: the first of three in the second epoch."""

    def update_step(self, gradient, variable, learning_rate):
        found = keras.ops.where(self.iterations == 3, np.nan, 0.0)
        variable.assign(variable + found)


def test_fine_tuning_starts_from_what_was_learned_before(monkeypatch):
    monkeypatch.setitem(training.PRETRAINING, "epochs", 1)
    epochs = {"epochs": 1, "learning_rate": 1e-30}
    tuned = dataclasses.replace(SMALL, pretrained="digits", **epochs)
    before, after = (
        training.train(run)["logits"]["heldout_1"] for run in (dataclasses.replace(SMALL, **epochs), tuned)
    )
    assert not np.array_equal(before, after)  # nothing was learned in either: they differ in where they began
    again = training.train(tuned)["logits"]["heldout_1"]
    np.testing.assert_array_equal(again, after)


@pytest.mark.parametrize(("network", "shape", "classes"), [("cnn", (94, 94, 3), 2), ("small_cnn", (8, 8, 1), 10)])
def test_a_compiled_model_measures_what_keras_would_choose(network, shape, classes):
    keras.utils.set_random_seed(1)
    model = build_network(network, shape, classes)
    inputs = np.random.default_rng(0).integers(0, 256, (20, *shape)).astype(np.float32)
    labels = np.arange(20) % classes
    training.compile_model(model, keras.optimizers.SGD(0.1))
    found = model.evaluate(inputs, labels, verbose=0, return_dict=True)
    model.compile("sgd", training.loss_for(model), metrics=["accuracy"])
    assert found == pytest.approx(model.evaluate(inputs, labels, verbose=0, return_dict=True))


def test_the_first_step_of_a_compiled_model_is_traced_once():
    model = build_network("small_cnn", (8, 8, 1), 10)
    training.compile_model(model, keras.optimizers.Adam())
    traced, step = [], model.train_step
    model.train_step = lambda batch: traced.append(batch) or step(batch)
    model.train_on_batch(np.zeros((10, 8, 8, 1), np.float32), np.arange(10))
    assert len(traced) == 1


def test_warm_up_rises_to_the_rate_within_the_first_epoch():
    model = build_network("small_cnn", (8, 8, 1), 10)
    training._compile(model, dataclasses.replace(SMALL, schedule="warmup", learning_rate=0.1), steps=10)
    rate = model.optimizer._learning_rate
    assert [round(float(rate(step)), 4) for step in (0, 5, 10, 50)] == [0.01, 0.055, 0.1, 0.1]


@pytest.mark.parametrize(
    ("network", "shape", "classes"),
    [
        ("cnn", (94, 94, 3), 2),
        ("cnn_bn", (94, 94, 3), 5),
        ("small_cnn", (40, 1), 10),
        ("small_cnn_bn", (8, 8, 1), 10),
        ("vit", (96, 96, 3), 2),
    ],
)
@pytest.mark.parametrize("scaling", ["0..1", "-1..1"])
def test_networks_give_probabilities_and_the_logits_behind_them(network, shape, classes, scaling):
    keras.utils.set_random_seed(1)
    model = build_network(network, shape, classes, scaling)
    inputs = np.random.default_rng(0).integers(0, 256, (20, *shape)).astype(np.float32)
    labels = np.arange(20) % classes
    measures = CleanMeasures({"some": (inputs, labels)}, [1])
    measures.set_model(model)
    measures.on_train_begin()
    measures.on_epoch_end(0)
    logits = measures.logits["some_1"]
    probabilities = model.predict(inputs, verbose=0)
    expected = special.expit(logits) if classes == 2 else special.softmax(logits, axis=1)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert probabilities.shape == (20, 1 if classes == 2 else classes)


@pytest.mark.parametrize("arm", ["none", "gradient", "random_direction"])
@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_every_network_can_be_trained_on_the_smallest_images(monkeypatch, network, arm):
    shape = (SMALLEST_IMAGES[network], SMALLEST_IMAGES[network], 3)
    inputs, labels = np.random.default_rng(0).integers(0, 256, (8, *shape)).astype(np.uint8), np.arange(8) % 2
    few = Examples((inputs, labels), None, None, (1, 1))
    monkeypatch.setattr(training, "examples", lambda *arguments: few)
    monkeypatch.setattr(networks, "DEPTH", 1)  # blocks of the transformer: more are no different, and slow
    run = Run(data="few", network=network, arm=arm, learning_rate=1e-4, epochs=1, seed=100, image_size=shape[0],
              batch_size=4, augmentation="none")  # fmt: skip
    found = training.train(run)
    (row,) = found["rows"]
    assert row["status"] == "finished"
    assert all(np.isfinite(row[name]) for name in ("train_loss", "clean_loss"))
    assert all(0 <= row[f"share_{place}"] < 1 for place in range(1, len(found["kernels"]) + 1))
    assert len(found["kernels"]) == len(found["chance"]) > 3


@pytest.mark.parametrize("network", ["cnn", "cnn_bn"])  # of the others some releases build smaller ones
def test_no_network_takes_smaller_images(network):
    with pytest.raises(ValueError, match=r"too small|zero or negative"):
        build_network(network, (SMALLEST_IMAGES[network] - 1, SMALLEST_IMAGES[network] - 1, 3), 2)


@pytest.mark.parametrize(("scaling", "low"), [("0..1", 0), ("-1..1", -1)])
def test_pixels_are_scaled_to_the_interval(scaling, low):
    network = build_network("cnn", (94, 94, 3), 2, scaling)
    scaled = network.layers[0](np.array([0.0, 255.0], np.float32))
    np.testing.assert_allclose(scaled, [low, 1], atol=1e-6)


def test_scores_against_their_definitions():
    logits, labels = np.array([[2.0], [-1.0], [0.5], [-3.0]]), np.array([1, 0, 0, 1])
    probabilities = 1 / (1 + np.exp(-logits[:, 0]))
    found = score(logits, labels)
    expected = -np.log(np.where(labels == 1, probabilities, 1 - probabilities)).mean()
    assert found == pytest.approx({"loss": expected, "accuracy": 0.5, "auc": 0.5})
    many = np.array([[3.0, 0, 0], [0, 2, 0], [1, 0, 0], [0, 0, 5]])
    found = score(many, np.array([0, 1, 2, 2]))
    shares = np.exp(many) / np.exp(many).sum(axis=1, keepdims=True)
    assert found["loss"] == pytest.approx(-np.log(shares[[0, 1, 2, 3], [0, 1, 2, 2]]).mean())
    assert found["accuracy"] == 0.75
    assert np.isnan(score(np.array([[np.inf], [0.0]]), np.array([0, 1]))["loss"])
    assert score(np.array([[1000.0], [-1000.0]]), np.array([0, 1]))["loss"] == pytest.approx(1000)  # no overflow


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n", "Some CPU @ 2 GHz"),
        ("flags\t: fast\n", "chip"),
        (None, "chip"),
    ],
)
def test_a_row_names_the_processor(told, named, monkeypatch):
    def read(path, encoding):
        if told is None:  # no Linux
            raise FileNotFoundError(path)
        return told

    monkeypatch.setattr(training.Path, "read_text", read)
    monkeypatch.setattr(training.platform, "processor", lambda: "chip")
    monkeypatch.setattr(training, "processor", training.processor.__wrapped__)
    assert training.machine().startswith(f"{named}, ")
