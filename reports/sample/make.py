"""Makes the page pictures beside this file: ``python reports/sample/make.py [OUT]``.

OUT is the output folder of a full run (default: reports); its report.pdf is read. Needs pdftotext and pdftoppm (Debian:
poppler-utils). A page is found by words that stand on it, so that it is found again when pages have moved.
"""

import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
PAGES = {
    "cover": "What a trained network looks for, and what deceives it",
    "conv1_filters": "All filters of conv1, each scaled to [0, 1] on its own",
    "conv1_units": "The whole picture after the ascent",
    "attack": "Each picture with the network’s first class",
}
"""Name of each picture, and words of which the first page that has them is shown."""
DOTS_PER_INCH = 100
QUALITY = 80
MOST_BYTES = 1_000_000


def page_texts(pdf: Path) -> list[str]:
    """The words on each page, one space apart."""
    text = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True).stdout
    return [" ".join(page.split()) for page in text.split("\f")]


def picture(pdf: Path, page: int) -> Image.Image:
    """A page, counted from 1."""
    number = str(page)
    done = subprocess.run(
        ["pdftoppm", "-r", str(DOTS_PER_INCH), "-f", number, "-l", number, "-png", pdf],
        capture_output=True,
        check=True,
    )
    return Image.open(io.BytesIO(done.stdout)).convert("RGB")


def main(out: Path) -> None:
    """Write one WebP file for each of `PAGES`; says which page it is, and its size."""
    pdf = out / "report.pdf"
    texts = page_texts(pdf)
    found = {
        name: next((page for page, text in enumerate(texts, 1) if words in text), None)
        for name, words in PAGES.items()
    }
    if lost := [PAGES[name] for name, page in found.items() if page is None]:
        sys.exit(f"{pdf}: no page says {' or '.join(lost)}: is it of a full run?")
    total = 0
    for name, page in found.items():
        path = HERE / f"{name}.webp"
        picture(pdf, page).save(path, quality=QUALITY, method=6)
        total += path.stat().st_size
        print(f"{path.name}: page {page}, {path.stat().st_size} bytes")
    if total > MOST_BYTES:
        sys.exit(f"Together {total} bytes, more than {MOST_BYTES}: lower QUALITY or DOTS_PER_INCH.")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
