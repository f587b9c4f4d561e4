"""A browser for the tests of the page."""

import json
import os
import struct
import time
import zlib
from pathlib import Path

import axe_playwright_python
import requests
from playwright.sync_api import expect, sync_playwright

PHOTOS = Path(__file__).resolve().parents[4] / "image-codec/tests/photos"
SAMPLES = PHOTOS.parent / "samples"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Other work may keep the cores busy.
TIMEOUT_MS = 30_000

expect.set_options(timeout=TIMEOUT_MS)


class Browser:
    """Chromium, and the pages opened in it. What they complain about fails the test when it ends."""

    def __init__(self, base, *arguments):
        self.base = base
        self.arguments = ["--no-sandbox", "--disable-dev-shm-usage", *arguments]
        self.complaints = []

    def __enter__(self):
        self.playwright = sync_playwright().start()
        path = os.environ["ETIQUETA_TEST_BROWSER"]
        self.chromium = self.playwright.chromium.launch(executable_path=path, args=self.arguments)
        return self

    def __exit__(self, kind, error, trace):
        self.chromium.close()
        self.playwright.stop()
        assert kind or not self.complaints, self.complaints

    def context(self, **options):
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US", "reduced_motion": "reduce", **options}
        context = self.chromium.new_context(**options)
        context.set_default_timeout(TIMEOUT_MS)
        return context

    def open(self, path="", context=None, **options):
        """Opens the page, and waits until it is there."""
        page = (context or self.context(**options)).new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"{error} {error.stack}"))
        page.on("console", self._heard)
        page.goto(f"{self.base}/{path}")
        page.wait_for_selector("main")
        return page

    def _heard(self, message):
        # An answer that is an error is the server's business.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)


def check_accessibility(page, what):
    """No finding of axe-core, in the page as it is."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate(
        "(rules) => axe.run(document, { runOnly: rules, resultTypes: ['violations'] }).then((it) => it.violations)", RULES
    )
    findings = [(it["id"], [(node["target"], node["failureSummary"]) for node in it["nodes"][:3]]) for it in found]
    assert not findings, f"{what}: {json.dumps(findings, indent=1)}"


def png(width, height, red, green, blue):
    """A picture of one colour."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + bytes((red, green, blue)) * width
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")


def taken(photo, date):
    """A photo (JPEG) with the time `YYYY:MM:DD HH:MM:SS` at which it was taken."""
    # Little-endian TIFF: a directory that leads to that of Exif, which has the time.
    pointer = struct.pack("<HHHII", 1, 0x8769, 4, 1, 26) + bytes(4)
    original = struct.pack("<HHHII", 1, 0x9003, 2, 20, 44) + bytes(4)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + pointer + original + date.encode() + b"\0"
    return photo[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + photo[2:]


def pictures(count, first=0):
    """Files for an upload, each another picture."""
    return [
        {"name": f"picture-{n:03}.png", "mimeType": "image/png", "buffer": png(120, 60 + n % 5 * 20, n * 37 % 256, n * 91 % 256, n)}
        for n in range(first, first + count)
    ]


def register(base, count, first=0, **headers):
    """Uploads pictures beside the page; their ids, newest first."""
    ids = []
    for picture in pictures(count, first):
        files = {"file": (picture["name"], picture["buffer"])}
        answer = requests.post(f"{base}/image?min_confidence=10", files=files, headers={"Prefer": "return=minimal", **headers}, timeout=60)
        assert answer.status_code == 200, answer.text
        ids.insert(0, answer.json()["id"])
    return ids


def images(base, **parameters):
    answer = requests.get(f"{base}/images", params=parameters, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tags(base, image):
    return {it["tag"]: it for it in requests.get(f"{base}/image/{image}/tags", timeout=60).json()["tags"]}


def eventually(check, what):
    """Waits until something holds."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < TIMEOUT_MS / 1000, what
        time.sleep(0.1)


def upload(page, files):
    """Chooses files by the button."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload", exact=True).first.click()
    chooser.value.set_files(files)


def tiles(page):
    return page.locator(".tile")
