"""Which of a preset's settings stand under what was asked for."""

from rcekd.experiments.layers import run_settings


def test_a_part_of_a_combination_loses_what_its_preset_tuned_for_the_other_variant() -> None:
    """Gowalla's preset is of the code variant, whose horizon the paper's text does not have."""
    alone = run_settings("gowalla", sets={"method.variant": "paper"}).method
    combined = run_settings("gowalla", method="rcekd+de", sets={"method.rcekd.variant": "paper"}).method
    part = getattr(combined, "rcekd")  # noqa: B009 - the class is made for the combination
    assert part.horizon is alone.horizon is None
    assert part.model_dump(exclude={"weight"}) == alone.model_dump(exclude={"weight"})


def test_a_part_whose_variant_is_the_presets_keeps_it_all() -> None:
    combined = run_settings("gowalla", method="rcekd+de", sets={"method.de.lambda": 0.5}).method
    assert getattr(combined, "rcekd") == run_settings("gowalla").method  # noqa: B009
