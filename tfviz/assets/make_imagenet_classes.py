"""Write imagenet_classes.txt from sample pictures named NNNN_<wnid>_<name>.jpg, one a class.

python -m tfviz.assets.make_imagenet_classes FOLDER
"""

import sys
from pathlib import Path


def names(folder: Path) -> list[str]:
    """The 1,000 class names in index order, with spaces between words."""
    found = {}
    for path in folder.glob("*.jpg"):
        index, _, name = path.stem.split("_", 2)
        found[int(index)] = name.replace("_", " ")
    if sorted(found) != list(range(1000)):
        raise SystemExit(f"{folder} has pictures of {len(found)} classes, not of 0 to 999")
    return [found[index] for index in range(1000)]


if __name__ == "__main__":
    target = Path(__file__).with_name("imagenet_classes.txt")
    target.write_text("\n".join(names(Path(sys.argv[1]))) + "\n", encoding="utf-8")
