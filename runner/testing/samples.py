"""One item of each entity in canonical form, every field of it filled: what both sides must be able to hold as it is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from runner.model.record import Value

TASK_SAMPLE: Mapping[str, Value] = MappingProxyType(
    {
        "title": "Offer for Northwind",
        "description": "First line\nsecond line",
        "start": "2026-12-01",
        "due": "2026-12-04",
        "status": "in_progress",
        "percent_complete": 40,
        "priority": 1,
        "privacy": "public",
        "keywords": ("Blue", "Red"),
        "alert_at": "2026-12-01T07:30:00Z",
        "recurrence_rule": "FREQ=WEEKLY;COUNT=5;BYDAY=TU",
        "regenerates": False,
    }
)

CONTACT_SAMPLE: Mapping[str, Value] = MappingProxyType(
    {
        "honorific": "Dr.",
        "given_name": "Eva",
        "middle_name": "M.",
        "surname": "Novak",
        "suffix": "Jr.",
        "initials": "E.N.",
        "full_name": "Dr. Eva Novak",
        "file_as": "Novak, Eva",
        "company": "Acme",
        "department": "Sales",
        "job_title": "Chief",
        "notes": "First line\nsecond line",
        "email_1": "eva@example.com",
        "email_2": "e.novak@example.org",
        "email_3": "eva@example.net",
        "phone_business": "+43 1 1",
        "phone_home": "+43 1 2",
        "phone_mobile": "+43 660 3",
        "fax_business": "+43 1 4",
        "fax_home": "+43 1 5",
        "business_street": "Ring 1\nStaircase 2",
        "business_city": "Wien",
        "business_region": "Wien",
        "business_postcode": "1010",
        "business_country": "Austria",
        "home_street": "Gasse 3",
        "home_city": "Graz",
        "home_region": "Steiermark",
        "home_postcode": "8010",
        "home_country": "Austria",
        "keywords": ("Blue", "Red"),
        "privacy": "public",
    }
)
