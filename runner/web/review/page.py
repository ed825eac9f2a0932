"""A review as one HTML page with charts in SVG: style within, no script, nothing loaded from anywhere."""

from __future__ import annotations

from runner.service.review import Review
from runner.web.console.charts import by_size, over_time
from runner.web.console.rendering import page_of
from runner.web.review.figures import figures


def html(review: Review) -> str:
    """The whole page."""
    targets = [
        {
            "name": one.target,
            "figures": figures(one),
            "sections": [
                {
                    "title": section.title,
                    "chart": over_time(section.answer, _unit(section.unit), stacked=section.stacked)
                    if section.timed
                    else None,
                    "bars": []
                    if section.timed
                    else by_size(section.answer, _unit(section.unit), stacked=section.stacked),
                    "legend": section.answer.columns if section.split else (),
                }
                for section in one.sections
                if section.answer.rows
            ],
        }
        for one in review.targets
    ]
    return page_of("review.html", {"since": review.since[:10], "until": review.until[:10], "targets": targets})


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""
