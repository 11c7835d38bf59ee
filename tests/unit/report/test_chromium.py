"""The page in a browser: it opens quietly, can be searched and steered by keys, and fits a phone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from ste_fairseq2.report.write import ReportConfig, write_report
from tests.hand_made_loop import HOSTILE, LONG_WORD, RIGHT_TO_LEFT, write_loop
from tests.hand_made_rewarding_loop import write_rewarding_loop

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="needs Chromium and its driver (Debian: chromium-driver)"
)

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(ReportConfig(folder=write_loop(tmp_path_factory.mktemp("report") / "loop"))).path


@pytest.fixture(scope="module")
def rewarding_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_rewarding_loop(tmp_path_factory.mktemp("rewarding") / "loop")

    return write_report(ReportConfig(folder=folder)).path


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield chrome
    chrome.quit()


def open_page(driver: webdriver.Chrome, page: Path, *, width: int = 1400, scheme: str = "light") -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.get(page.as_uri())


def text(driver: webdriver.Chrome, element: str) -> str:
    # The text as it is, not as a browser would lay it out.
    found: str = driver.execute_script(f"return document.getElementById('{element}').textContent")

    return found


def choose(driver: webdriver.Chrome, name: str, value: str) -> None:
    Select(driver.find_element(By.NAME, name)).select_by_value(value)


def test_it_opens_quietly_and_asks_for_nothing(driver: webdriver.Chrome, page: Path) -> None:
    driver.get_log("performance")
    open_page(driver, page)

    assert driver.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    requests = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert requests == {page.as_uri()}
    assert text(driver, "count") == "1 of 10 that match"


def test_filters_and_search(driver: webdriver.Chrome, page: Path) -> None:
    open_page(driver, page)

    choose(driver, "kind", "for SFT")
    assert text(driver, "count") == "1 of 8 that match"
    choose(driver, "verdict", "right")
    assert text(driver, "count") == "1 of 4 that match"
    choose(driver, "order", "better last")
    assert text(driver, "count") == "1 of 1 that match"
    assert text(driver, "text") == "Second. [[B]]"
    assert text(driver, "mark-b") == "✓ better, named by the judge"
    assert text(driver, "answer-b") == RIGHT_TO_LEFT
    assert text(driver, "mark-a") == ""
    assert "1 of 2 samples right" in text(driver, "facts")
    choose(driver, "verdict", "tie")
    choose(driver, "round", "0")
    assert text(driver, "count") == "0 match"
    assert driver.find_element(By.ID, "nothing").is_displayed()

    open_page(driver, page)
    driver.find_element(By.NAME, "search").send_keys("CANNOT say")
    assert text(driver, "count") == "1 of 1 that match"
    assert text(driver, "mark-judgement") == "unparseable"


def test_held_out_answers_stand_as_they_were_shown(driver: webdriver.Chrome, page: Path) -> None:
    open_page(driver, page)
    choose(driver, "kind", "held-out: held")
    choose(driver, "round", "1")

    assert text(driver, "answer-a") == "stored second"
    assert text(driver, "answer-b") == "stored first"
    assert text(driver, "mark-a") == "named by the judge"
    assert text(driver, "mark-b") == "✓ better"
    assert text(driver, "mark-judgement") == "wrong"


def test_keys(driver: webdriver.Chrome, page: Path) -> None:
    open_page(driver, page)

    ActionChains(driver).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT).perform()
    assert text(driver, "count") == "2 of 10 that match"
    # Within the search, arrows move the cursor.
    ActionChains(driver).send_keys("/").send_keys("maths", Keys.ARROW_LEFT, Keys.BACKSPACE).perform()
    assert driver.find_element(By.NAME, "search").get_attribute("value") == "mats"
    assert text(driver, "count") == "0 match"
    ActionChains(driver).send_keys(*[Keys.BACKSPACE] * 3, Keys.DELETE, Keys.ESCAPE).perform()
    ActionChains(driver).send_keys(Keys.ARROW_RIGHT).perform()
    assert text(driver, "count") == "2 of 10 that match"


def test_hostile_text_stays_text(driver: webdriver.Chrome, page: Path) -> None:
    open_page(driver, page)
    driver.find_element(By.NAME, "search").send_keys("onerror")
    choose(driver, "verdict", "right")
    choose(driver, "order", "better first")
    ActionChains(driver).send_keys(Keys.ESCAPE, Keys.ARROW_RIGHT).perform()

    assert text(driver, "count") == "2 of 2 that match"
    assert text(driver, "instruction") == HOSTILE
    assert text(driver, "answer-a") == RIGHT_TO_LEFT
    assert text(driver, "answer-b") == LONG_WORD
    assert driver.title == "loop – loop report"
    assert driver.find_elements(By.TAG_NAME, "img") == []
    assert driver.get_log("browser") == []


@pytest.mark.parametrize("width", [390, 820, 1400])
def test_nothing_is_wider_than_the_window(driver: webdriver.Chrome, page: Path, width: int) -> None:
    open_page(driver, page, width=width)
    driver.find_element(By.NAME, "search").send_keys("onerror")
    driver.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")

    widths = driver.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths[0] == widths[1] <= width


def test_light_and_dark(driver: webdriver.Chrome, page: Path) -> None:
    script = """
        const style = (e) => getComputedStyle(e);
        const label = document.querySelector("figure svg text");
        return [style(document.body).backgroundColor, style(document.body).color, style(label).fill];
    """
    brightness = {}
    for scheme in ("light", "dark"):
        open_page(driver, page, scheme=scheme)
        colours = driver.execute_script(script)
        brightness[scheme] = [sum(map(int, c[c.index("(") + 1 : -1].split(", ")[:3])) for c in colours]

    paper, ink, label = brightness["light"]
    assert paper - max(ink, label) > 300
    paper, ink, label = brightness["dark"]
    assert min(ink, label) - paper > 300


def test_scored_answers_stand_with_their_judgements(
    driver: webdriver.Chrome, rewarding_page: Path
) -> None:
    open_page(driver, rewarding_page)
    assert text(driver, "count") == "1 of 11 that match"

    choose(driver, "round", "3")
    choose(driver, "became", "rejected")
    assert text(driver, "count") == "1 of 1 that match"
    assert text(driver, "instruction") == HOSTILE
    assert text(driver, "answer-a") == RIGHT_TO_LEFT
    assert text(driver, "mark-a") == "score 1, rejected"
    assert text(driver, "facts") == "M2 · scored answers · rejected · i1:1"
    assert not driver.find_element(By.ID, "box-b").is_displayed()
    assert not driver.find_element(By.ID, "box-text").is_displayed()
    choose(driver, "became", "")
    choose(driver, "points", "no score")
    assert text(driver, "answer-a") == LONG_WORD
    assert [mark.text for mark in driver.find_elements(By.CSS_SELECTOR, ".sample .mark")] == [
        *("unparseable", "truncated")
    ]

    # A judgement of a pair has both answers again.
    choose(driver, "points", "")
    choose(driver, "kind", "held-out: pairs")
    assert text(driver, "answer-a") == "stored second"
    assert text(driver, "mark-b") == "✓ better"
    assert driver.find_element(By.ID, "box-b").is_displayed()
    assert not driver.find_elements(By.CSS_SELECTOR, "#samples:not([hidden])")


@pytest.mark.parametrize("width", [390, 1400])
def test_hostile_answers_stay_text_and_within_the_window(
    driver: webdriver.Chrome, rewarding_page: Path, width: int
) -> None:
    driver.get_log("browser")
    open_page(driver, rewarding_page, width=width)
    driver.find_element(By.NAME, "search").send_keys("onerror")
    choose(driver, "points", "5")

    samples = "return [...document.querySelectorAll('.sample > div')].map(e => e.textContent)"
    assert driver.execute_script(samples) == [f"{HOSTILE} Score: 5"] * 2
    assert driver.title == "loop – loop report"
    assert driver.find_elements(By.TAG_NAME, "img") == []
    assert driver.get_log("browser") == []
    widths = driver.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths[0] == widths[1] <= width
