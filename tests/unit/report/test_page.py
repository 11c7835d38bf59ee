"""The page as text: it loads nothing, hostile text stays text, and it is always written the same."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ste_fairseq2.report.browser_data import MOST_CHARS, to_script
from ste_fairseq2.report.chart import Chart, Series
from ste_fairseq2.report.draw import draw
from ste_fairseq2.report.page import make_page
from ste_fairseq2.report.read import read_loop
from tests.hand_made_loop import HOSTILE, write_empty_loop, write_loop


class Reader(HTMLParser):
    """Collects what a browser would look at."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_page(read_loop(write_loop(tmp_path_factory.mktemp("page") / "loop"), limit=10))


def test_nothing_is_loaded_and_nothing_is_smuggled_in(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    tags = [tag for tag, _ in reader.tags]

    assert not {"img", "link", "iframe", "object", "embed", "base", "b"} & set(tags)
    assert tags.count("script") == 2
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert not attributes.get("src"), tag
        assert (attributes.get("href") or "#").startswith("#"), tag


def test_the_policy_allows_this_script_and_style_alone(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    text = policy[1].replace("&#39;", "'")
    for name in ("style", "script"):
        [content] = re.findall(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in text
    assert text.startswith("default-src 'none'")


def test_ids_are_unique(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]

    assert len(ids) == len(set(ids))


def test_it_is_always_written_the_same(loop: Path) -> None:
    assert make_page(read_loop(loop, limit=10)) == make_page(read_loop(loop, limit=10))


def test_texts_come_through_whole(page: str) -> None:
    [data] = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    content = json.loads(data)

    assert any(pair["instruction"] == HOSTILE for pair in content["pairs"])
    assert content["filters"]["verdict"] == ["right", "wrong", "tie", "unparseable", "truncated"]
    assert content["filters"]["group"] == ["main", "maths"]


@pytest.mark.parametrize(
    "text", ["</script>", "<!--<script>", "a & b", "\u2028\u2029", "\ud800", "\x00"]
)
def test_data_cannot_end_its_element(text: str) -> None:
    script = to_script({"text": text})

    assert not re.search("[<>&\u2028\u2029]", script)
    script.encode("utf-8")
    assert json.loads(script)["text"] == ("?" if text == "\ud800" else text)


def test_very_long_texts_are_cut_with_a_word(loop: Path) -> None:
    path = loop.parent / "loop-pairs.jsonl"
    row = {"id": "p1", "instruction": "x" * (MOST_CHARS + 1000), "baseline": "a", "worse": "b"}
    path.write_text(json.dumps(row) + "\n")

    page = make_page(read_loop(loop, limit=10))

    assert "1,000 more characters are left out" in page
    assert "x" * (MOST_CHARS + 1) not in page


def test_what_is_left_out_is_said(loop: Path) -> None:
    assert "10 of 10 judgements are in this page." in make_page(read_loop(loop, limit=10))
    assert "made without judgements; there are 10" in make_page(read_loop(loop, limit=0))


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_loop_that_has_done_nothing_has_a_page(tmp_path: Path, rounds: int) -> None:
    page = make_page(read_loop(write_empty_loop(tmp_path / "loop", rounds=rounds), limit=10))

    assert "No judge has been scored on held yet." in page
    assert "No judge has judged anything yet." in page


def test_a_chart_has_the_colours_of_the_page_and_no_styles() -> None:
    one = Chart(
        title="<b>$x$</b>",
        kind="lines",
        x_label="round",
        y_label="accuracy (%)",
        x=["a & b", "$y$"],
        unit="%",
        reference=50,
        series=[Series(name="one", values=[10, 20]), Series(name="two", values=[30, None])],
    )

    svg = draw(one, "k")

    assert 'aria-label="&lt;b&gt;$x$&lt;/b&gt;' in svg
    assert "a &amp; b" in svg
    assert ">$y$<" in svg
    assert "style=" not in svg
    assert "#0" not in svg
    for colour in ("currentColor", "var(--rule)", "var(--c1)", "var(--c2)"):
        assert colour in svg
    assert set(re.findall(r'id="([^"]+?)-', svg)) == {"k"}


@pytest.mark.parametrize("kind", ["lines", "steps", "bars", "stack"])
@pytest.mark.parametrize(
    "x", [["only"], [float(n) for n in range(15)], [f"round {n}" for n in range(12)]]
)
def test_every_kind_of_chart_is_drawn(kind: str, x: list[str] | list[float]) -> None:
    one = Chart(
        title="T",
        kind=kind,  # type: ignore[arg-type]
        x_label="x",
        y_label="y",
        x=x,
        unit="count",
        series=[Series(name=str(n), values=[None, *([5.0] * (len(x) - 1))]) for n in range(11)],
    )

    assert draw(one, "k").startswith("<svg")
