"""Measures the console with 10,000 invocations in its history.

``PYTHONPATH=tests python bench/console.py`` prints how long the server takes for a page, how large
it is, and how long Chromium takes until it has drawn it. Then calls come while the list is open:
how many times a second it changes, and the longest time that the page is busy at a stretch.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from support.consoles import Client, opened
from support.platforms import event
from support.programs import needed
from support.recorded_platform import RecordedPlatform

_CALLS = 10_000
_TIMES = 20
_PAGES = (
    "/invocations",
    "/invocations?before=5000",
    "/invocations?text=nowhere",
    "/",
    "/instances",
    "/figures",
)
_WATCH = """
() => {
  window.busy = [0]; window.changes = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((each) => busy.push(each.duration)))
    .observe({ entryTypes: ["longtask"] });
  new MutationObserver(() => changes++).observe(document.getElementById("live"),
    { childList: true, subtree: true });
}
"""
_DRAWN = """
() => {
  const [load] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [paint ? paint.startTime : load.domContentLoadedEventEnd, load.loadEventEnd];
}
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        platform = RecordedPlatform(folder)
        platform.record(_CALLS)
        with opened(platform, folder) as (client, _, _), sync_playwright() as playwright:
            for path in _PAGES:
                _of_server(client, path)
            browser = playwright.chromium.launch(
                executable_path=needed("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(base_url=client.origin)
            _of_browser(page)
            _while_calls_come(page, lambda: platform.invoke(event(function="echo")))
            browser.close()


def _of_server(client: Client, path: str) -> None:
    times = []
    for _ in range(_TIMES):
        begin = time.perf_counter()
        size = len(client.get(path).body)
        times.append((time.perf_counter() - begin) * 1000)
    print(f"{path:28} {statistics.median(times):6.1f} ms {size / 1024:7.1f} KB")


def _of_browser(page: Page) -> None:
    drawn, loaded = [], []
    for _ in range(_TIMES):
        page.goto("/invocations", wait_until="load")
        page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
        first, last = page.evaluate(_DRAWN)
        drawn.append(first)
        loaded.append(last)
    rows = page.locator("tbody tr").count()
    print(f"Chromium: drawn after {statistics.median(drawn):.0f} ms,", end=" ")
    print(f"loaded after {statistics.median(loaded):.0f} ms, {rows} rows")


def _while_calls_come(page: Page, call: Callable[[], object]) -> None:
    page.wait_for_selector("#connection[data-state=on]")
    page.evaluate(_WATCH)
    begin, count = time.monotonic(), 0
    while time.monotonic() - begin < 5:
        for _ in range(20):
            call()
            count += 1
        page.wait_for_timeout(50)
    spent = time.monotonic() - begin
    busy, changes = page.evaluate("[Math.max(...busy), changes]")
    print(f"{count / spent:.0f} calls a second for {spent:.0f} s:", end=" ")
    print(f"{changes / spent:.1f} changes a second, busy {busy:.0f} ms at a stretch at most")


if __name__ == "__main__":
    main()
