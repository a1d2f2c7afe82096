"""Submissions of a course, some of them forged: ``python -m tests.course.forged DIR RUN [RUN ...] --count 100``.

RUN are output folders of honest runs that differ in seed and number of threads. Forgers know how hashes are computed.
"""

import argparse
import io
import itertools
import json
import os
import resource
import shutil
import struct
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from tests.forged import forge
from tfviz.files.hashes import array_sha256
from tfviz.parts import PARTS

NAMES = (
    "Dana Levi",
    "דנה לוי",
    "O'Neill, Zoë",
    "ben_cohen",
    "עמית בר-און",
    "x y  z",
    "Ünal Şahin",
    "<b>bold</b>",
)


def result_of(folder, part):
    return folder / "results" / f"{part}.json"


def arrays_of(folder, part):
    return folder / "arrays" / f"{part}.npz"


def repack(folder, part, change):
    """Change a part's arrays as they are stored, and what the result says of them."""
    path = arrays_of(folder, part)
    with np.load(path) as stored:
        arrays = dict(stored)
    change(arrays)
    path.unlink()  # it may be another's, too: a hard link
    np.savez_compressed(path, **arrays)

    def hashes(content):
        content["arrays"] = {name: array_sha256(array) for name, array in arrays.items()}

    rewrite(folder, part, hashes)


def rewrite(folder, part, change):
    path = result_of(folder, part)
    own(path)
    forge(path, change)


def own(path):
    """A file of the forger's own in place of a hard link."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


class Forger:
    """Fifteen ways, each a method that changes an honest folder; what comes back is packed into a zip, or not."""

    def __init__(self, part, number, picture, other, network=None):
        """Args: the part, a number that is measured again, a picture's array, folders of another's, and of a run
        with another network; without that, this way is left out."""
        self.part, self.number, self.picture, self.other, self.network = part, number, picture, other, network

    def change(self, folder, change):
        def apply(arrays):
            arrays[self.picture] = change(arrays[self.picture])

        repack(folder, self.part, apply)

    def number_changed(self, folder):
        def change(content):
            number = content["numbers"][self.number]
            number["value"] = 0.999 if number["value"] < 0.99 else 0.9
            number["spread"], number["repeats"] = None, 1

        rewrite(folder, self.part, change)

    def picture_swapped(self, folder):
        with np.load(arrays_of(self.other, self.part)) as theirs:
            stolen = theirs[self.picture]
        self.change(folder, lambda _: stolen)

    def other_network(self, folder):
        with np.load(arrays_of(self.network, self.part)) as theirs:
            arrays = dict(theirs)
        claims = json.loads(result_of(self.network, self.part).read_text())["numbers"]

        def all_of_it(own):
            own.clear()
            own.update(arrays)

        def relabelled(content):
            for name, number in claims.items():
                content["numbers"][name] = {**number, "network": content["provenance"]["network"]}

        repack(folder, self.part, all_of_it)
        rewrite(folder, self.part, relabelled)

    def nan(self, folder):
        def change(picture):
            picture = picture.copy()
            picture.flat[5] = np.nan
            return picture

        self.change(folder, change)

    def wrong_shape(self, folder):
        self.change(folder, lambda picture: picture[..., :-1, :])

    def float64(self, folder):
        self.change(folder, lambda picture: picture.astype(np.float64))

    def outside(self, folder):
        self.change(folder, lambda picture: 3 * picture - 1)

    def leads_out(self, folder):
        return packed(folder, more={"../../reports/results/fake.json": b"{}"})

    def link(self, folder):
        path = result_of(folder, self.part)
        path.unlink()
        path.symlink_to(result_of(self.other, self.part))

    def pickle(self, folder):
        def array(stored):
            stored[self.picture] = np.array([{"a": 1}, print], dtype=object)

        path = arrays_of(folder, self.part)
        with np.load(path) as stored:
            arrays = dict(stored)
        array(arrays)
        path.unlink()
        np.savez_compressed(path, **arrays)

    def huge_header(self, folder):
        path = arrays_of(folder, self.part)
        with np.load(path) as stored:
            arrays = dict(stored)
        path.unlink()
        with zipfile.ZipFile(path, "w") as archive:
            for name, each in arrays.items():
                content = io.BytesIO()
                np.lib.format.write_array(content, each)
                raw = content.getvalue()
                if name == self.picture:
                    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"
                    header = header.ljust(117) + "\n"
                    raw = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + raw[128:]
                archive.writestr(f"{name}.npy", raw)

    def bomb(self, folder):
        return packed(folder, large={f"arrays/{self.part}.npz": 400_000_000})

    def truncated(self, folder):
        path = arrays_of(folder, self.part)
        own(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def older(self, folder):
        path = result_of(folder, self.part)
        own(path)
        content = json.loads(path.read_text())
        del content["sha256"]
        content["schema"] = 2
        content["numbers"][self.number] |= {"value": 0.999, "spread": None, "repeats": 1}
        path.write_text(json.dumps(content))

    def extra_fields(self, folder):
        rewrite(folder, self.part, lambda content: content.update(bonus=100))

    def nested(self, folder):
        path = result_of(folder, self.part)
        own(path)
        path.write_text('{"facts": ' + '{"a": ' * 50_000 + "1" + "}" * 50_001)


WAYS = (
    *("number_changed", "picture_swapped", "other_network", "nan", "wrong_shape", "float64", "outside"),
    *("leads_out", "link", "pickle", "huge_header", "bomb", "truncated", "older"),
    ("extra_fields", "nested"),
)
"""Fifteen; of the last, the two halves take turns."""


def packed(folder, more=(), large=(), at="reports"):
    """The folder as a zip in its place; "more" goes in as it is, "large" is so many zeros."""
    path = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for each in sorted(folder.rglob("*")):
            name = each.relative_to(folder).as_posix()
            if each.is_file() and name not in large:
                archive.write(each, f"{at}/{name}")
        for name, content in dict(more).items():
            archive.writestr(name, content)
        for name, size in dict(large).items():
            with archive.open(f"{at}/{name}", "w", force_zip64=True) as file:
                for _ in range(size // 1_000_000):
                    file.write(bytes(1_000_000))
    shutil.rmtree(folder)
    return path


def mixed(folder, sources):
    """A folder of results with each part from another run: {part: run}."""
    for place in ("results", "arrays"):
        (folder / place).mkdir(parents=True)
    for part, run in sources.items():
        os.link(result_of(run, part), result_of(folder, part))
        os.link(arrays_of(run, part), arrays_of(folder, part))


def make(folder, runs, count, forged, forger_of):
    """Write `count` submissions, the last `forged` of each hundred forged; {name: way, "" for an honest one}.

    Args:
        folder: to be filled, one entry a student.
        runs: honest output folders.
        count: of submissions.
        forged: how many of them.
        forger_of: a Forger for an honest run's folder that it must differ from.
    """
    parts = [part.ID for part in PARTS if all(result_of(run, part.ID).exists() for run in runs)]
    combinations = itertools.cycle(itertools.product(range(len(runs)), repeat=min(len(parts), 5)))
    truth = {}
    turns = itertools.cycle(range(2))
    turn = next(turns)
    for index in range(count):
        name = f"{NAMES[index % len(NAMES)].replace('/', '_')} {index:03}"
        which = next(combinations)
        # A student who ran all parts, at times in two goes; each has another mixture of runs.
        sources = {part: runs[which[at % len(which)]] for at, part in enumerate(parts)}
        whole = folder / name
        place = whole / "handed in" / "reports" if index % 3 == 0 else whole
        mixed(place, sources)
        number = index - (count - forged)
        truth[name] = ""
        if number >= 0:
            forger = forger_of(sources)
            ways = [way for way in WAYS if forger.network or way != "other_network"]
            way = ways[number % len(ways)]
            if number % len(ways) == 0:
                turn = next(turns)
            way = way if isinstance(way, str) else way[turn]
            getattr(forger, way)(place)
            truth[name] = way
        elif index % 4 == 1:
            packed(place)
    return truth


def report(graded, truth):
    """What was caught, by way, with the first line of each; and the false alarms."""
    from tfviz.course.command import lines

    caught, alarms = {}, []
    for each in graded:
        way, said = truth[each.submission], lines(each)
        if way:
            caught.setdefault(way, []).append((each.submission, said[0] if said else ""))
        elif said:
            alarms += said
    return caught, alarms


def main():
    from tfviz.course import command

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--other-network", type=Path, help="a run of class_image with other weights")
    parser.add_argument("--make-only", action="store_true")
    options = parser.parse_args()

    def forger_of(sources):
        own = sources["class_image"]
        other = next(run for run in options.runs if run != own)
        return Forger("class_image", "target_probability", "published", other, options.other_network)

    made = options.folder / "submissions"
    kept = options.folder / "truth.json"
    if not kept.exists():
        made.mkdir(parents=True)
        kept.write_text(
            json.dumps(make(made, options.runs, options.count, options.count * 3 // 10, forger_of))
        )
    truth = json.loads(kept.read_text())
    if options.make_only:
        return
    out = options.folder / "grades"
    out.mkdir(exist_ok=True)
    asked = command.Asked([made], out, offline=True)
    clock = time.perf_counter()
    graded = command.measured(asked, print)
    seconds = time.perf_counter() - clock
    caught, alarms = report(graded, truth)
    for way, each in caught.items():
        print(f"{way}: {sum(bool(line) for _, line in each)} of {len(each)}")
        for name, line in each:
            print(f"    {line or f'{name}: NOT CAUGHT'}")
    print(
        f"caught: {sum(bool(line) for each in caught.values() for _, line in each)} of {sum(map(bool, truth.values()))}"
    )
    print(
        f"false alarms among {sum(not way for way in truth.values())}: {len(alarms)}", *alarms, sep="\n    "
    )
    print(
        f"{seconds:.0f} s; a submission {sorted(each.seconds for each in graded)[len(graded) // 2]} s in the middle"
    )
    peak = max(each.peak_memory_mb for each in graded)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 1_000_000
    print(f"peak memory of one: {peak:.0f} MB; of the grader itself: {own} MB")
    print(Counter(row.verdict for each in graded for row in each.rows))


if __name__ == "__main__":
    main()
