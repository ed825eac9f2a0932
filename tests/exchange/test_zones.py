"""Windows zones ↔ IANA (B-46)."""

import zoneinfo

import pytest

from runner.connectors.exchange.zones import iana_of, windows_of


def test_a_windows_id_means_the_mailboxs_own_zone_where_that_shares_it() -> None:
    assert iana_of("W. Europe Standard Time", "Europe/Vienna") == "Europe/Vienna"
    assert iana_of("W. Europe Standard Time", "Europe/London") == "Europe/Berlin"
    assert iana_of("Tokyo Standard Time", "Europe/Vienna") == "Asia/Tokyo"


def test_names_that_exchange_returns_beside_windows_ids_are_known() -> None:
    assert iana_of("UTC", "Europe/Vienna") == "Etc/UTC"
    assert iana_of("tzone://Microsoft/Utc", "Europe/Vienna") == "Etc/UTC"
    assert iana_of("Europe/Copenhagen", "Europe/Vienna") == "Europe/Copenhagen"
    assert iana_of("Kamchatka Standard Time", "Europe/Vienna") == "Asia/Kamchatka"


@pytest.mark.parametrize(
    "name", ["tzone://Microsoft/Custom", "Customized Time Zone", "Mitteleuropäische Zeit", "No/Such", "", "../etc/x"]
)
def test_zones_that_nobody_knows_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        iana_of(name, "Europe/Vienna")


def test_every_iana_zone_but_local_time_can_be_written_and_comes_back_as_itself() -> None:
    for name in zoneinfo.available_timezones() - {"localtime"}:
        assert iana_of(windows_of(name), name) == name


def test_an_iana_name_that_windows_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        windows_of("Mars/Olympus")
