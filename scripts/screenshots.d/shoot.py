"""Fills a server with photos and takes pictures of its page: shoot.py ORIGIN FOLDER."""

import base64
import os
import sys
import time
from pathlib import Path

import requests
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
PHOTOS = HERE.parent.parent / "crates/image-codec/tests/photos"
# What is cut out of each photo: left, top, width, height, as shares of its sides.
CUTS = {
    "chelsea": [(0, 0, 1, 1), (0.2, 0.05, 0.5, 0.9)],
    "coffee": [(0, 0, 1, 1), (0.1, 0.15, 0.55, 0.8)],
    "rocket": [(0, 0, 1, 1), (0.3, 0.0, 0.4, 0.9)],
    "astronaut": [(0, 0, 1, 1), (0.1, 0, 0.7, 0.6)],
}
SIZES = [(1500, 1000), (1000, 1400), (1600, 900), (1200, 1200), (1400, 1050), (1800, 800)]
LANDSCAPES = 22
JPEG = {"type": "jpeg", "quality": 88}


def main(origin, folder):
    wait(origin)
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["ETIQUETA_TEST_BROWSER"], args=["--no-sandbox"])
        photos = draw(browser)
        for name, content in photos:
            upload(origin, name, content)
        shoot(browser, origin, folder, photos)
        browser.close()


def wait(origin):
    for _ in range(600):
        try:
            if requests.get(f"{origin}/readyz", timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise SystemExit("the server does not become ready")


def draw(browser):
    """Names and bytes of all photos, mixed."""
    page = browser.new_page()
    page.goto("about:blank")
    code = (HERE / "draw.js").read_text(encoding="utf-8")
    drawn = []
    for seed in range(LANDSCAPES):
        width, height = SIZES[seed % len(SIZES)]
        content = page.evaluate(f"([w, h, s]) => ({code.strip()}).landscape(w, h, s)", [width, height, seed])
        drawn.append((f"landscape-{seed + 1:02}.jpg", base64.b64decode(content)))
    cuts = []
    for turn in range(2):
        for name, areas in CUTS.items():
            whole = base64.b64encode((PHOTOS / f"{name}.jpg").read_bytes()).decode()
            content = page.evaluate(f"([b, a]) => ({code.strip()}).cut(b, a)", [whole, areas[turn]])
            cuts.append((f"{name}{'' if turn == 0 else '-detail'}.jpg", base64.b64decode(content)))
    page.close()
    mixed = []
    # The newest come first on the page: the photos are spread among the drawings, most of them at its top.
    for n, drawing in enumerate(drawn):
        mixed.append(drawing)
        if n >= LANDSCAPES - 2 * len(cuts) and n % 2:
            mixed.append(cuts.pop())
    return mixed + cuts


def upload(origin, name, content):
    answer = requests.post(f"{origin}/image", files={"file": (name, content)}, headers={"Prefer": "return=minimal"}, timeout=120)
    answer.raise_for_status()


def shoot(browser, origin, folder, photos):
    def view(name, path, act=None, width=1440, height=900, scheme="light", phone=False):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-US", reduced_motion="reduce",
            is_mobile=phone, has_touch=phone, device_scale_factor=2 if phone else 1,
        )
        page = context.new_page()
        page.goto(f"{origin}/{path}")
        page.wait_for_selector("main")
        page.wait_for_load_state("networkidle")
        if act:
            act(page)
            page.wait_for_load_state("networkidle")
        page.wait_for_function("[...document.querySelectorAll('.picture')].every((it) => it.matches('.loaded, .known'))")
        page.wait_for_timeout(800)
        page.screenshot(path=folder / f"{name}.jpg", **JPEG)
        context.close()

    def cat(page):
        page.locator('.tile[data-id] a[aria-label^="chelsea.jpg"]').click()
        page.wait_for_selector(".tag-row")

    def upload_some(page):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Upload", exact=True).first.click()
        files = [{"name": name, "mimeType": "image/jpeg", "buffer": content} for name, content in photos[-7:]]
        chooser.value.set_files(files)
        page.get_by_text(f"{len(files)} photos uploaded").wait_for()

    def look_at_many(page):
        page.locator(".tile a").first.focus()
        page.keyboard.press("x")
        for _ in range(7):
            page.keyboard.press("Shift+ArrowRight")
        page.get_by_role("button", name="Add tags").click()
        dialog = page.get_by_role("dialog")
        for tag in ("holiday", "summer 2026"):
            dialog.get_by_role("combobox").fill(tag)
            dialog.get_by_role("combobox").press("Enter")
        dialog.get_by_role("button", name="See what changes").click()
        dialog.get_by_role("button", name="Change 8 photos").wait_for()

    def some_jobs(page):
        look_at_many(page)
        page.get_by_role("dialog").get_by_role("button", name="Change 8 photos").click()
        page.get_by_role("button", name="Details").click()
        page.locator(".job summary").first.click()

    view("photos", "")
    view("one-photo", "", cat, scheme="dark")
    view("tags", "?view=tags")
    view("phone", "", width=390, height=844, scheme="dark", phone=True)
    view("many", "", look_at_many)
    view("jobs", "", some_jobs)
    view("upload", "", upload_some)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
