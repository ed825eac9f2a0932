"""The fake target, on which the simulation runs, answers as the real connector does on the simulated Exchange."""

from tests.exchange.sequences import pair

COUNT = 90


def test_the_fake_and_the_simulated_exchange_give_equal_answers() -> None:
    """B-12, B-23, B-64, B-74. `make sequences` carries out 2,000."""
    with pair() as both:
        for seed in range(COUNT):
            both.carry_out(seed)
