"""Puts the page together: one HTML file that needs nothing else and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ste_fairseq2.report.browser_data import to_data, to_script
from ste_fairseq2.report.chart import Chart
from ste_fairseq2.report.draw import draw, marker_of
from ste_fairseq2.report.facts import LoopFacts
from ste_fairseq2.report.findings import find
from ste_fairseq2.report.methods import method_of
from ste_fairseq2.report.svg import SERIES

_FOLDER: Final = Path(__file__).parent / "page"


def make_page(facts: LoopFacts) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _mark_code
    method = method_of(facts.config)
    style = (_FOLDER / "style.css").read_text(encoding="utf-8")
    script = (_FOLDER / "browser.js").read_text(encoding="utf-8")

    return environment.get_template("page.html").render(
        facts=facts,
        policy=content_policy(style, script),
        # These four are the project's own, or escaped for where they stand.
        style=Markup(style),
        script=Markup(script),
        data=Markup(to_script(to_data(facts))),
        drawing=lambda chart, prefix: Markup(draw(chart, prefix)),
        settings={name: value for name, value in method.settings().items() if value},
        table_note=method.TABLE_NOTE,
        reading_note=method.READING_NOTE,
        findings=find(facts),
        parts=[make(facts) for make in method.PARTS],
        legend=_legend,
    )


def content_policy(style: str, script: str) -> str:
    """Return the policy that allows this style and this script, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _mark_code(text: str) -> Markup:
    """Set what stands between backticks as code; everything else is escaped."""
    parts = text.split("`")

    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    )


def _source(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _legend(chart: Chart) -> list[dict[str, Any]]:
    """Return the keys of a chart's series; none where there is nothing to tell apart."""
    if len(chart.series) < 2 and not (chart.series and chart.series[0].name):
        return []

    return [
        {
            "name": series.name,
            "colour": (index if series.colour is None else series.colour) % len(SERIES) + 1,
            "marker": marker_of(index) if chart.kind == "lines" else "",
            "is_line": chart.kind in ("lines", "steps"),
        }
        for index, series in enumerate(chart.series)
    ]
