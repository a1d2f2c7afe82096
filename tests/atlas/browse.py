"""The atlas' page in chromium: ``python -m tests.atlas.browse [OUT] [--units N] [--shots DIR]``.

OUT is a folder with an atlas; without it one of made-up drawings is made, all of one layer. Prints, on a phone's screen
with the processor slowed down to a quarter: when something is shown, when the first drawings are, frames a second while
a finger scrolls (by number, and sorted), memory; and on all screens what axe-core says, what was asked for from
elsewhere and what the browser complained of. `--shots` keeps pictures of the views, to be looked at.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.atlas import made
from tests.browser import DESKTOP, PHONE, violations
from tfviz.atlas import page
from tfviz.atlas.table import Atlas

TOUCH = {"viewport": PHONE, "device_scale_factor": 3, "is_mobile": True, "has_touch": True}
SLOWER = 4
FRAMES = """window.frames_ = [];
const note = time => { frames_.push(time); requestAnimationFrame(note); };
requestAnimationFrame(note);"""
SHOWN = """window.shown_ = 0;
const look = () => {
  const images = [...document.querySelectorAll('.wall img')].slice(0, 12);
  if (images.length === 12 && images.every(image => image.complete && image.naturalWidth)) shown_ = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);"""


def memory(process):
    """MB of a process, its share of what it has in common with others."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(process)


class Watched:
    """A page whose requests and complaints are kept."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.requests, self.said = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def elsewhere(self, folder):
        return [url for url in self.requests if not url.startswith((folder.as_uri(), "data:"))]


def measure(launch, address, order=""):
    """One visit of a wall on a phone: milliseconds, frames a second, MB."""
    browser = launch()
    watched = Watched(browser, **TOUCH)
    shown = watched.page
    session = watched.context.new_cdp_session(shown)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    shown.add_init_script(SHOWN)
    shown.goto(address)
    shown.wait_for_timeout(3000)
    first = shown.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    drawings = shown.evaluate("shown_")
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [each["id"] for each in processes if each["type"] == "renderer"]
    opened = max(map(memory, renderers))
    if order:
        shown.select_option("select", order)
        shown.wait_for_timeout(1000)
    shown.evaluate(FRAMES)
    for _ in range(5):
        finger = {"x": 195, "y": 600, "yDistance": -6000, "speed": 4000, "gestureSourceType": "touch"}
        session.send("Input.synthesizeScrollGesture", finger)
    times = shown.evaluate("frames_")
    gaps = [after - before for before, after in pairwise(times)]
    shown.wait_for_timeout(500)
    found = {
        "first paint, ms": first,
        "first drawings, ms": drawings,
        "frames a second": 1000 * len(gaps) / sum(gaps),
        "longest frame, ms": max(gaps),
        "MB, opened": opened,
        "MB, scrolled": max(map(memory, renderers)),
        "MB of script": shown.evaluate("performance.memory.usedJSHeapSize") / 2**20,
        "tiles": shown.evaluate("document.querySelectorAll('.wall a').length"),
    }
    browser.close()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=3, help="visits of which the median is printed")
    parser.add_argument("--shots", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        out = (
            asked.out.resolve()
            if asked.out
            else made.atlas(Path(temporary), {"conv3": asked.units}, size=(160, 160))
        )
        start = time.process_time()
        path = page.write(out)
        print(f"page made: {time.process_time() - start:.1f} s of processor time")
        start = time.process_time()
        page.write(out)
        print(f"and again: {time.process_time() - start:.1f} s")
        files = [each for each in (out / page.FOLDER).rglob("*") if each.is_file()]
        size = sum(each.stat().st_size for each in files)
        print(f"{len(files)} files, {size / 2**20:.1f} MB; atlas.html {path.stat().st_size / 2**10:.0f} kB")

        def launch():
            return playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--enable-precise-memory-info"],
            )

        layer = max(Atlas.open(out).layers, key=lambda each: len(each.units))
        wall = f"{path.as_uri()}#{layer.name}"
        print(
            f"{layer.name}, {len(layer.units)} units, phone, processor at a quarter, median of {asked.times}:"
        )
        for order in ("", "activation"):
            visits = [measure(launch, wall, order) for _ in range(asked.times)]
            print(f"  sorted by {order or 'number'}")
            for name in visits[0]:
                values = [visit[name] for visit in visits]
                print(
                    f"    {name:<20} {statistics.median(values):8.1f}   ({min(values):.1f} to {max(values):.1f})"
                )
        look(launch(), path, wall, f"{wall}/{layer.units[len(layer.units) // 2]}", asked.shots)


def look(browser, path, wall, unit, shots):
    """Every view on every screen: what axe-core says, what came from elsewhere, complaints; pictures of all."""
    axe, elsewhere, said = [], [], []
    for place, address in (("home", path.as_uri()), ("layer", wall), ("unit", unit), ("lost", f"{wall}/no")):
        for scheme in ("light", "dark"):
            for screen, viewport in (("wide", DESKTOP), ("phone", PHONE)):
                options = {"viewport": viewport, "color_scheme": scheme}
                strict, open_ = Watched(browser, **options), Watched(browser, bypass_csp=True, **options)
                for watched in (strict, open_):
                    watched.page.goto(address)
                    watched.page.wait_for_timeout(1500)
                axe += [(place, scheme, screen, each) for each in violations(open_.page)]
                elsewhere += strict.elsewhere(path.parent)
                said += strict.said
                if shots:
                    shots.mkdir(parents=True, exist_ok=True)
                    name = shots / f"{place}-{screen}-{scheme}.png"
                    strict.page.screenshot(path=name, full_page=place != "layer")
                strict.context.close()
                open_.context.close()
    bare = Watched(browser, viewport=DESKTOP, java_script_enabled=False)
    bare.page.goto(path.as_uri())
    if shots:
        bare.page.screenshot(path=shots / "no-script.png", full_page=True)
    print(f"axe-core: {len(axe)} violations", *axe, sep="\n  ")
    print(f"requests to elsewhere: {len(elsewhere)}", *elsewhere, sep="\n  ")
    print(f"complaints of the browser: {len(said)}", *said, sep="\n  ")
    browser.close()


if __name__ == "__main__":
    main()
