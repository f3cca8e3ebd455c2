import psutil
import pytest
import tensorflow as tf

from gc_tutorial import training_batches
from gc_tutorial.pipeline import without_autotune


def test_the_elements_stay_as_they_are():
    assert list(without_autotune(tf.data.Dataset.range(5)).as_numpy_iterator()) == [0, 1, 2, 3, 4]


def threads():
    return {thread.id for thread in psutil.Process().threads()}


def threads_of(dataset):
    """How many threads appear while it runs: those of other tests may end meanwhile."""
    before = threads()
    iterator = iter(dataset)
    next(iterator)
    return len(threads() - before)


@pytest.mark.parametrize("kind", ["training batches", "training images", "test batches"])
def test_no_thread_tunes_a_pipeline_of_ours(synthetic, kind):
    """The end of an epoch would wait for the tuner: a benchmark shows that, this test that we do without it."""
    dataset = {
        "training batches": training_batches(synthetic.train_images, synthetic.train_labels, 16, seed=0),
        "training images": synthetic.train,
        "test batches": synthetic.test.batch(16),
    }[kind]
    tuner = tf.data.Options()
    tuner.autotune.enabled = True
    threads_of(dataset)  # starts the threads that stay
    assert threads_of(dataset) < threads_of(dataset.with_options(tuner))
