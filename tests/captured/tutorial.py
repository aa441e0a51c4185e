"""The tutorial: a walk in a fresh environment, and the picture of the console."""

import shutil
from io import BytesIO
from pathlib import Path

from PIL import Image

from captured.walk import Walk, normalised
from support.deployed import ROOT
from support.environments import Environment

PAGE = ROOT / "docs/tutorial/index.md"
PICTURE = PAGE.with_name("console.png")


def write(folder: Path) -> None:
    """Walk through the tutorial, and write the outputs and the picture into it."""
    (folder / "environment").mkdir()
    (folder / "walk").mkdir()
    environment = Environment(folder / "environment")
    walk = Walk(folder / "walk", environment.variables, take_picture)
    page = PAGE.read_text()
    walked = walk.done(page)
    if normalised(walked) != normalised(page):  # else only ids and times are new
        PAGE.write_text(walked)


def take_picture(console: str) -> None:
    """Call the function of the tutorial in the console, and write a picture of that."""
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 765})
        page.goto(f"{console}/functions/orders")
        expect(page.locator("main")).to_contain_text("orders.handle", timeout=60_000)
        page.locator("#text").fill('{"item": "tea", "count": 4}')
        page.get_by_role("button", name="Invoke").click()
        result = page.get_by_role("region", name="Result")
        expect(result.get_by_role("region", name="Log")).to_contain_text(
            "4 times tea", timeout=60_000
        )
        image = Image.open(BytesIO(page.screenshot()))
        browser.close()
    image.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(PICTURE, optimize=True)
