"""Debian's chromium, driven by Playwright, for tests; skipped where there is none.

With the environment variable TFVIZ_REQUIRE_BROWSER set, a missing browser is a failure.
"""

import os
import shutil

import pytest

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

# To be run before the page: sums up what moves without being asked to.
SHIFTS = """window.shifts = [];
new PerformanceObserver(list => list.getEntries().forEach(entry => shifts.push(entry.value)))
  .observe({ type: 'layout-shift', buffered: true });"""


def missing(reason):
    """Skip, or fail where a browser is required."""
    if os.environ.get("TFVIZ_REQUIRE_BROWSER"):
        pytest.fail(f"TFVIZ_REQUIRE_BROWSER is set, and {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install -r requirements-dev.txt")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        missing("no chromium was found: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root.
        arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


def violations(page):
    """What axe-core says against a page that was opened with `bypass_csp`: rule, impact, first element, why."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        missing("axe-playwright-python is not installed: pip install -r requirements-dev.txt")
    found = Axe().run(page).response["violations"]
    return [
        (each["id"], each["impact"], node["html"][:200], node["failureSummary"])
        for each in found
        for node in each["nodes"][:1]
    ]
