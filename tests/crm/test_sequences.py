"""The fake CRM, on which the simulation runs, answers as the real connector does on SQLite."""

from tests.crm.sequences import pair

COUNT = 120


def test_the_fake_and_sqlite_give_equal_answers() -> None:
    """B-36, B-41, B-63, B-64. `make sequences` carries out 2,000."""
    with pair() as both:
        for seed in range(COUNT):
            both.carry_out(seed)
