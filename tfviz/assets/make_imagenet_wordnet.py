"""Write imagenet_wordnet.tsv: WordNet's id and nouns of each ImageNet class.

python -m tfviz.assets.make_imagenet_wordnet IDS DATA_NOUN

IDS: ImageNet-1k's ids in its order, one a line. DATA_NOUN: the file of that name of WordNet 3.0.
"""

import sys
from pathlib import Path


def synsets(path: Path) -> dict[str, list[str]]:
    """{id: nouns} of WordNet's database (manual page wndb); an id is "n" and the line's place in the file."""
    found = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith(" "):  # the licence
            continue
        fields = line.split()
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        found[f"n{fields[0]}"] = [word.replace("_", " ") for word in words]
    return found


if __name__ == "__main__":
    ids = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    if len(set(ids)) != 1000:
        raise SystemExit(f"{sys.argv[1]} has {len(set(ids))} ids, not 1000")
    nouns = synsets(Path(sys.argv[2]))
    lines = [f"{each}\t{', '.join(nouns[each])}\n" for each in ids]
    Path(__file__).with_name("imagenet_wordnet.tsv").write_text("".join(lines), encoding="utf-8")
