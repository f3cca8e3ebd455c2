import pytest

from gc_tutorial.config import PROFILES, SettingsError, settings


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, PROFILES["standard"]),
        ({"GC_TUTORIAL_PROFILE": ""}, PROFILES["standard"]),
        ({"GC_TUTORIAL_PROFILE": "full"}, PROFILES["full"]),
    ],
)
def test_profile_is_chosen_by_the_environment(environment, expected):
    assert settings(environment) == expected


def test_full_profile_is_the_published_recipe():
    full = PROFILES["full"]
    assert (full.image_size, full.batch_size, full.epochs, full.learning_rate) == (300, 128, 10, 1e-4)


def test_single_settings_are_overridden():
    chosen = settings(
        {
            "GC_TUTORIAL_PROFILE": "quick",
            "GC_TUTORIAL_EPOCHS": "7",
            "GC_TUTORIAL_IMAGE_SIZE": "120",
            "GC_TUTORIAL_BATCH_SIZE": "5",
            "GC_TUTORIAL_SEEDS": "3",
            "GC_TUTORIAL_DATA": "drawn",
            "GC_TUTORIAL_PRECISION": "mixed_bfloat16",
        }
    )
    assert (chosen.epochs, chosen.image_size, chosen.batch_size, chosen.seeds, chosen.data) == (7, 120, 5, 3, "drawn")
    assert chosen.precision == "mixed_bfloat16"
    assert chosen.learning_rate == PROFILES["quick"].learning_rate


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PROFILE", "fast", "quick, standard, full"),
        ("PRECISION", "float16", "float32, mixed_bfloat16"),
        ("EPOCHS", "0", "at least 1"),
        ("EPOCHS", "ten", "whole number"),
        ("BATCH_SIZE", "-4", "at least 1"),
        ("BATCH_SIZE", "2.5", "whole number"),
        ("SEEDS", "0", "at least 1"),
        ("IMAGE_SIZE", "93", "at least 94"),
    ],
)
def test_values_that_make_no_sense_are_named(variable, value, told):
    with pytest.raises(SettingsError) as error:
        settings({f"GC_TUTORIAL_{variable}": value})
    message = str(error.value)
    assert f"GC_TUTORIAL_{variable}" in message
    assert repr(value) in message
    assert told in message
