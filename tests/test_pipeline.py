import tensorflow as tf

from gc_tutorial import training_batches
from gc_tutorial.data.pipeline import without_autotune


def test_the_elements_stay_as_they_are():
    assert list(without_autotune(tf.data.Dataset.range(5)).as_numpy_iterator()) == [0, 1, 2, 3, 4]


def test_no_pipeline_of_ours_is_tuned_while_it_runs(synthetic):
    """The end of an epoch would wait for the tuner: a benchmark shows that, this test that we do without it."""
    batches = training_batches(synthetic.train_images, synthetic.train_labels, 16, seed=0)
    for dataset in (batches, synthetic.train, synthetic.test.batch(16)):
        assert dataset.options().autotune.enabled is False
