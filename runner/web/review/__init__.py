"""A review of targets (``runner.service.review``) as pages: Markdown for chats and wikis, HTML with charts for mail.

What it is: rendering, with the console's own charts. What it is not: a page of the console; it needs nobody logged in, has no
link to anywhere and no script. Invariant: whatever a link, a code or a field is called, it is text and nothing else.
"""

from __future__ import annotations

from runner.web.review.figures import Figure, figures
from runner.web.review.markdown import markdown
from runner.web.review.page import html

__all__ = ["Figure", "figures", "html", "markdown"]
