"""Compares the tags that the binary $ETIQUETA gives photos with those of the reference: compare.py PHOTO..."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

from reference import Reference, flat

# A tag below this may be left out by either.
CUT_OFF = 5
# What the two may differ by, in points of confidence.
TOLERANCE = 3


def with_crops(files, folder):
    """Each photo as it is, and its middle and its left half."""
    for file in files:
        yield file
        photo = flat(ImageOps.exif_transpose(Image.open(file)))
        width, height = photo.size
        boxes = {
            "middle": (width // 5, height // 5, width * 4 // 5, height * 4 // 5),
            "left": (0, 0, width // 2, height),
        }
        for name, box in boxes.items():
            target = folder / f"{Path(file).stem}-{name}.png"
            photo.crop(box).save(target)
            yield str(target)


def ours(files, folder):
    environment = {"ETIQUETA__TAGGING__PROVIDER": "local"}
    command = [os.environ["ETIQUETA"], "tag", "--json", "--min-confidence", "0", *map(os.path.abspath, files)]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, cwd=folder, text=True, check=True)
    for line in map(json.loads, done.stdout.splitlines()):
        yield {tag["tag"]: tag["confidence"] for tag in line["tags"]}


def difference(ours, reference):
    """The largest, and the tag that it is in."""
    def off(tag):
        a, b = ours.get(tag, 0), reference.get(tag, 0)
        return max(a, b) - CUT_OFF if min(a, b) == 0 else abs(a - b)

    kept = {tag for tag, confidence in reference.items() if confidence >= CUT_OFF}
    return max(((off(tag), tag) for tag in kept | set(ours)), default=(0, ""))


def main(photos):
    reference = Reference()
    with tempfile.TemporaryDirectory() as folder:
        files = list(with_crops(photos, Path(folder)))
        differences, tops, agreeing = [], [], 0
        for file, found in zip(files, ours(files, folder), strict=True):
            expected = reference.tags(file)
            most, tag = difference(found, expected)
            differences.append(most)
            top = max(expected.values())
            best = {tag for tag, confidence in expected.items() if confidence > top - 0.5}
            agrees = not found or next(iter(found)) in best
            agreeing += agrees
            tops.append(min(abs(found.get(tag, 0) - expected[tag]) for tag in best))
            remark = f"top tag off by {tops[-1]:.2f}" if agrees else "another top tag"
            remark = "" if agrees and tops[-1] <= TOLERANCE else remark
            print(f"{most:6.2f}  {Path(file).name:34}  {tag:24} {remark}")
    differences.sort()
    count = len(differences)
    within = sum(most <= TOLERANCE for most in differences)
    close = sum(most <= TOLERANCE for most in tops)
    print(
        f"{count} pictures of {len(photos)} photos; top tag agrees in {agreeing},"
        f" its confidence within {TOLERANCE} points in {close}, largest difference {max(tops):.2f}"
    )
    print(
        f"largest difference of any tag: median {differences[count // 2]:.2f}, most {differences[-1]:.2f} points;"
        f" within {TOLERANCE} points in {within}"
    )
    # A detector's score near its threshold is a tag here and none there: that is told, but no failure.
    return 0 if agreeing == close == count else 1


sys.exit(main(sys.argv[1:]))
