import tensorflow as tf

from gc_tutorial import training_batches
from gc_tutorial.pipeline import untuned


def test_the_elements_stay_as_they_are():
    assert list(untuned(tf.data.Dataset.range(5)).as_numpy_iterator()) == [0, 1, 2, 3, 4]


def test_no_pipeline_of_ours_is_tuned_while_it_runs(drawn):
    """The end of an epoch would wait for the tuner: a benchmark shows that, this test that we do without it."""
    batches = training_batches(drawn.train_images, drawn.train_labels, 16, seed=0)
    for dataset in (batches, drawn.train, drawn.test.batch(16)):
        assert dataset.options().autotune.enabled is False
