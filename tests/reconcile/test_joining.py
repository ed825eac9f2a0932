"""The block of an online meeting outlives every edit of the text around it (B-44)."""

import pytest

from runner.reconcile.joining import block_of, joinable

TEAMS_LINK = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_abc%40thread.v2/0?context=%7b%7d"
TEAMS = f"{'_' * 80}\nMicrosoft Teams meeting\nJoin: {TEAMS_LINK}\nMeeting ID: 123 456 789\n{'_' * 80}"
SKYPE_LINK = "https://meet.contoso.com/meet/ann.lee/ABC123"
SKYPE = f"{'.' * 60}\n→ Join Skype Meeting <{SKYPE_LINK}>\nHelp\n{'.' * 60}"
SIGNED = f"Agenda\n\n{'_' * 40}\nAnn Lee, Contoso\nhttps://contoso.com/"


@pytest.mark.parametrize(("block", "link"), [(TEAMS, TEAMS_LINK), (SKYPE, SKYPE_LINK)])
def test_the_block_is_found_with_its_link(block: str, link: str) -> None:
    """B-44."""
    assert block_of(f"Agenda\n\n{block}\n\nSee you") == (block, link)
    assert block_of(SIGNED) is None
    assert block_of(f"{SIGNED}\n\n{block}") == (block, link)
    assert block_of("") is None


@pytest.mark.parametrize("block", [TEAMS, SKYPE])
def test_a_text_without_the_link_gets_the_block_behind_it(block: str) -> None:
    """B-44: and a text that holds it already stays as it is, however it was edited around it."""
    body = f"Agenda\n\n{block}"
    assert joinable("New agenda", body) == f"New agenda\n\n{block}"
    assert joinable(None, body) == block
    assert joinable(f"New agenda\n\n{block}", body) == f"New agenda\n\n{block}"
    assert joinable("New agenda", "Agenda") == "New agenda"
    assert joinable(None, None) is None
