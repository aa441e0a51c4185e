"""The console in a real browser: Debian's Chromium, driven by Playwright."""

import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from support.deployed import PATIENCE, deploy, free_port
from support.programs import needed
from support.running import Platform, dev

pytestmark = pytest.mark.slow

CONFIG = """\
version: 1
functions:
  orders: {handler: "index:handle"}
  wrong: {handler: "nowhere:handle"}
routes:
  - match: {function: "order-*"}
    to: orders
"""
CODE = """\
import logging

def handle(event, context):
    logging.getLogger().warning("an order: %s", event.decode())
    if event == b"fail":
        raise ValueError("<img src=x onerror=alert(1)>")
    return {"done": event.decode()}
"""
HOSTILE = "<script>document.title = 'hacked'</script>"
PAGES = (
    "/", "/functions/orders", "/functions/wrong", "/invocations", "/invocations/1", "/instances",
    "/queue", "/configuration", "/nowhere",
)  # fmt: skip
THEMES = {"light": "rgb(255, 255, 255)", "dark": "rgb(24, 28, 38)"}  # of a card
PATIENT = PATIENCE * 1000  # milliseconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = needed("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy(tmp_path_factory.mktemp("browser") / "project", CONFIG, {"index.py": CODE})


@pytest.fixture(scope="module")
def platform(project: Path) -> Iterator[Platform]:
    with dev(project) as platform:
        for event in (b"tea", b"fail", HOSTILE.encode()):
            platform.invoke("orders", event)
        yield platform


def console_of(platform: Platform) -> str:
    return platform.wait_for(r"console: (http://127\.0\.0\.1:\d+),")[1]


@pytest.fixture(scope="module")
def url(platform: Platform) -> str:
    return console_of(platform)


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """Give a page whose every complaint is a failure: of a script, or of the policy."""
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 860})
    context.set_default_timeout(PATIENT)
    expect.set_options(timeout=PATIENT)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", "on")


def row(page: Page, name: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def test_functions_are_seen_one_is_invoked_and_its_log_read(page: Page) -> None:
    page.goto("/")
    expect(row(page, "orders")).to_contain_text("ready")
    expect(row(page, "orders")).to_contain_text("index:handle")
    expect(row(page, "wrong")).to_contain_text("broken")
    page.get_by_role("link", name="orders", exact=True).click()
    live(page)
    page.locator("#text").fill("two teas")
    page.get_by_role("button", name="Invoke").click()
    result = page.get_by_role("region", name="Result")
    expect(result).to_contain_text("succeeded")
    expect(result.get_by_role("region", name="Answer")).to_contain_text('"done": "two teas"')
    expect(result.get_by_role("region", name="Log")).to_contain_text("an order: two teas")
    expect(result).to_contain_text("Memory")
    number = re.findall(r"#(\d+)", result.inner_text())[-1]
    # the list below shows it, without a load of the page
    expect(page.locator(f"#row-{number}")).to_contain_text("succeeded")
    expect(page.locator("#announcer")).to_contain_text("It succeeded after")


def test_a_sample_is_loaded_and_a_web_request_written(page: Page) -> None:
    page.goto("/functions/orders")
    page.get_by_label("Sample event").select_option("oss")
    event = page.locator("#text")
    expect(event).to_have_value(re.compile("ObjectCreated:PutObject"))
    expect(page.get_by_label("Path")).to_be_hidden()
    page.get_by_label("Web request").check()
    expect(page.get_by_label("Path")).to_be_visible()


def test_what_a_function_sends_never_runs(page: Page) -> None:
    page.goto("/invocations")
    page.get_by_label("Text").fill("hacked")
    expect(page.get_by_text("1 to 1 of 1")).to_be_visible()
    page.get_by_role("rowheader").get_by_role("link").click()
    expect(page.get_by_role("region", name="Log")).to_contain_text(HOSTILE)
    assert "hacked" not in page.title()
    page.goto("/invocations?outcome=failed")
    page.get_by_role("rowheader").get_by_role("link").first.click()
    expect(page.get_by_role("region", name="Answer")).to_contain_text("<img src=x onerror")


def test_filters_change_the_list_and_its_address(page: Page, platform: Platform) -> None:
    page.goto("/invocations")
    live(page)
    page.get_by_label("Outcome").select_option("failed")
    expect(page).to_have_url(re.compile("outcome=failed"))
    expect(page.locator("tbody tr")).to_have_count(1)
    platform.invoke("orders", b"fail")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Pause").click()
    platform.invoke("orders", b"fail")
    other = page.context.new_page()
    other.goto("/invocations?outcome=failed")
    expect(other.locator("tbody tr")).to_have_count(3)
    other.close()
    assert page.locator("tbody tr").count() == 2
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("tbody tr")).to_have_count(3)


def test_a_plugin_that_breaks_shows_its_error_and_a_new_function_appears(
    page: Page, project: Path
) -> None:
    page.goto("/")
    live(page)
    expect(row(page, "orders")).to_contain_text("ready")
    (project / "index.py").write_text(CODE + "\ndef broken(:\n")
    expect(row(page, "orders")).to_contain_text("broken")
    error = page.locator(".finding").filter(has_text="index.py")
    expect(error.first).to_contain_text("invalid syntax")
    expect(error.first).to_contain_text(re.compile(r"index\.py:\d+"))
    (project / "index.py").write_text(CODE)
    expect(row(page, "orders")).not_to_contain_text("broken")

    file = project / "config" / "functions.yaml"
    file.write_text(CONFIG.replace("routes:", '  fresh: {handler: "index:handle"}\nroutes:'))
    expect(row(page, "fresh")).to_contain_text("idle")
    page.goto("/configuration")
    live(page)
    file.write_text(CONFIG.replace("routes:", '  fresh: {handlr: "index:handle"}\nroutes:'))
    marked = page.locator("li.marked").filter(has_text="fresh")
    expect(marked.locator("mark")).to_have_text("handlr")
    expect(marked).to_contain_text("did you mean 'handler'?")
    file.write_text(CONFIG)
    expect(marked).to_have_count(0)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_fits_the_screen_in_the_colours_of_the_system(
    browser: Browser, url: str, width: int, theme: Any
) -> None:
    context = browser.new_context(
        base_url=url, viewport={"width": width, "height": 844}, color_scheme=theme
    )
    page = context.new_page()
    for path in PAGES:
        page.goto(path)
        live(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
        tile = "getComputedStyle(document.querySelector('.card')).backgroundColor"
        assert page.evaluate(tile) == THEMES[theme]
    context.close()


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1280, "dark")])
def test_every_page_is_accessible(browser: Browser, url: str, width: int, theme: Any) -> None:
    context = browser.new_context(
        base_url=url, viewport={"width": width, "height": 844}, color_scheme=theme
    )
    page = context.new_page()
    found = {}
    for path in PAGES:
        page.goto(path)
        live(page)
        found[path] = [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in Axe().run(page).response["violations"]
            if each["impact"] in ("serious", "critical")
        ]
    context.close()
    assert {path: serious for path, serious in found.items() if serious} == {}


def test_the_theme_is_the_systems_until_another_is_chosen(page: Page) -> None:
    page.goto("/invocations")
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(scheme) == "dark"
    page.get_by_role("button", name="Theme: system").click()
    assert page.evaluate(scheme) == "light"
    page.reload()
    assert page.evaluate(scheme) == "light"
    page.get_by_role("button", name="Theme: light").click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(scheme) == "dark"


def test_the_keyboard_reaches_the_content_first(page: Page) -> None:
    page.goto("/functions/orders")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Sample event")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_focus_stays_while_the_list_changes(page: Page, platform: Platform) -> None:
    page.goto("/invocations")
    live(page)
    link = page.locator("#link-2")
    link.focus()
    before = page.locator("tbody tr").count()
    platform.invoke("orders", b"more")
    expect(page.locator("tbody tr")).to_have_count(before + 1)
    expect(link).to_be_focused()


def test_a_page_that_is_open_while_the_platform_restarts_goes_on(
    browser: Browser, project: Path, tmp_path: Path
) -> None:
    own = deploy(tmp_path / "restarted", CONFIG, {"index.py": CODE})
    port = str(free_port())
    with dev(own, "--console-port", port) as platform:
        page = browser.new_context(base_url=console_of(platform)).new_page()
        page.goto("/functions/orders")
        live(page)
        page.locator("#text").fill("kept")
    expect(page.locator("#connection")).to_have_attribute("data-state", "lost")
    page.get_by_role("button", name="Invoke").click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    with dev(own, "--console-port", port) as platform:
        live(page)
        expect(page.locator("#text")).to_have_value("kept")
        page.get_by_role("button", name="Invoke").click()
        answer = page.get_by_role("region", name="Answer")
        expect(answer).to_contain_text('"done": "kept"')
        page.context.close()
        platform.stop()


def test_other_machines_open_the_console_by_the_printed_address(
    browser: Browser, tmp_path: Path
) -> None:
    own = deploy(tmp_path / "open", CONFIG, {"index.py": CODE})
    with dev(own, "--host", "0.0.0.0") as platform:
        printed = platform.wait_for(r"console: (http://127\.0\.0\.1:\d+/\?token=\S+),")[1]
        page = browser.new_context().new_page()
        place = urlsplit(printed)
        refused = page.goto(f"http://{place.netloc}/")
        assert refused is not None
        assert refused.status == 401
        page.goto(printed)
        expect(page.get_by_role("heading", name="Functions")).to_be_visible()
        assert "token" not in page.url
        live(page)
        page.context.close()
        connection = HTTPConnection("127.0.0.1", platform.port, timeout=PATIENCE)
        connection.request("GET", "/2023-03-30/functions")
        assert connection.getresponse().status == 200
        connection.close()
