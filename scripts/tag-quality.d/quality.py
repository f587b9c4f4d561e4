"""Judges a tagger by photos whose right tags are known.

TRUTH.tsv is UTF-8 text, a line for each photo; lines that begin with # are remarks. Its fields are
separated by tabs:

  1. the photo: its path below PHOTOS, or its file name where that is unique
  2. the words that apply, separated by commas; the first is its main subject. A word with a question
     mark (`forest?`) is unclear: a tag of that name is counted neither as right nor as wrong
  3. the kind of photo (optional): the last table has a row for each

A tag is right if it is one of the words, a synonym of one, or an ancestor of one ("animal" of a cat).
Synonyms and ancestors come from tag-quality.d/words.tsv, from the hierarchy of the tagger inside the
binary, and from the tables given by --words. Everything below a word is wrong unless it is listed, too.

The photos are tagged by `etiqueta tag --json`, with the settings of the working directory and the
environment. Photos that the truth does not list are left out; one that it lists and that cannot be
tagged counts as one without tags.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent.parent / "crates/tag-provider-local/model"
LEVELS = (80, 60)
BINS = (5, 20, 40, 60, 80, 95, 100)
TOP = 3


class Mistake(Exception):
    """Something is wrong with what was given; the text says what."""


def rows(path, least):
    """The lines of a table as lists of at least that many fields."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [text.strip() for text in line.split("\t")]
        if len(fields) < least:
            raise Mistake(f"{path}, line {number}: {len(fields)} fields, not {least}")
        yield number, fields


def words(text):
    return [word for word in (part.strip().lower() for part in text.split(",")) if word]


class Vocabulary:
    """Which words mean the same, and which are above others."""

    def __init__(self):
        self.synonyms = defaultdict(set)
        self.above = defaultdict(set)

    def read_words(self, path):
        """A table of words, their synonyms and their ancestors."""
        for _, fields in rows(path, 2):
            word, synonyms, ancestors = (fields + [""])[:3]
            for synonym in words(synonyms):
                self.synonyms[word.lower()].add(synonym)
                self.synonyms[synonym].add(word.lower())
            self.above[word.lower()].update(words(ancestors))

    def read_model(self, folder):
        """The tables of a model of the local tagger."""
        nodes = [fields for _, fields in rows(folder / "hierarchy.tsv", 4)]
        tags = {name: tag.lower() for name, _, _, tag in nodes}
        for _, _, parents, tag in nodes:
            self.above[tag.lower()].update(tags[parent] for parent in words(parents))
        heads = folder / "heads" / "heads.tsv"
        if heads.exists():
            for _, fields in rows(heads, 3):
                self.above[fields[0].lower()].update(words(fields[2]))

    def same(self, word):
        """A word and its synonyms, and theirs."""
        return reached([word], lambda other: self.synonyms[other])

    def right(self, true):
        """Everything that may be said where these words apply."""
        return reached(true, lambda other: self.synonyms[other] | self.above[other])


def reached(starts, following):
    seen, ahead = set(), list(starts)
    while ahead:
        word = ahead.pop()
        if word not in seen:
            seen.add(word)
            ahead.extend(following(word))
    return seen


@dataclass
class Photo:
    """What is true of a photo, and what the tagger found in it."""

    kind: str
    main: set
    right: set
    unclear: set
    found: list = field(default_factory=list)

    def told(self, level):
        """The tags from that confidence on, without unclear ones, and whether each is right."""
        kept = [tag for tag, confidence in self.found if confidence >= level]
        return [(tag, tag in self.right) for tag in kept if tag in self.right or tag not in self.unclear]


def read_truth(path, vocabulary):
    photos = {}
    for number, fields in rows(path, 2):
        name, listed, kind = (fields + [""])[:3]
        if name in photos:
            raise Mistake(f"{path}, line {number}: {name} is listed twice")
        true = [word for word in words(listed) if not word.endswith("?")]
        unclear = {word[:-1].strip() for word in words(listed) if word.endswith("?")}
        photos[name] = Photo(
            kind=kind or "-",
            main=vocabulary.same(true[0]) if true else set(),
            right=vocabulary.right(true),
            unclear=vocabulary.right(unclear),
        )
    if not photos:
        raise Mistake(f"{path} lists no photos")
    return photos


def tag(folder, provider):
    """What `etiqueta tag --json` says of each file in a folder, by the file's path."""
    binary = os.environ.get("ETIQUETA", "etiqueta")
    environment = dict(os.environ)
    if provider:
        environment["ETIQUETA__TAGGING__PROVIDER"] = provider
    command = [binary, "tag", "--json", "--min-confidence", "0", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True, check=False)
    # 1: some files were not tagged, each with a line of its own.
    if done.returncode not in (0, 1):
        raise Mistake(f"{binary} ended with exit code {done.returncode}")
    return {line["file"]: line for line in map(json.loads, done.stdout.splitlines())}


def named(photos, folder, lines):
    """Each photo of the truth with its line, by its path below the folder or by its own name."""
    by_name = defaultdict(list)
    for file in lines:
        path = Path(file)
        by_name[path.name].append(file)
        if path.is_relative_to(folder):
            by_name[path.relative_to(folder).as_posix()].append(file)
    for name in photos:
        files = list(dict.fromkeys(by_name[name]))
        if not files and not any(folder.rglob(Path(name).name)):
            raise Mistake(f"{folder} has no photo {name}")
        if len(files) > 1:
            raise Mistake(f"{folder} has several photos {name}; name each by its path")
        yield name, lines[files[0]] if files else {"error": "left out"}


def judge(photos, folder, lines):
    for name, line in named(photos, folder, lines):
        if "error" in line:
            print(f"tag-quality: {name}: {line['error']}", file=sys.stderr)
        photos[name].found = [(t["tag"].lower(), t["confidence"]) for t in line.get("tags", [])]


def share(part, whole):
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else "0 of 0"


def summary(photos, level):
    """Counts of tags, right tags, and of photos with a right tag, with wrong tags alone, with none."""
    told = [[right for _, right in photo.told(level)] for photo in photos]
    return {
        "tags": sum(map(len, told)),
        "right": sum(map(sum, told)),
        "hit": sum(map(any, told)),
        "wrong": sum(bool(rights) and not any(rights) for rights in told),
        "none": sum(not rights for rights in told),
    }


def names_main(photo, level, count=None):
    kept = [tag for tag, confidence in photo.found[:count] if confidence >= level]
    return any(tag in photo.main for tag in kept)


def table(head, lines):
    lines = [head, *lines]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        first, *others = [text.ljust(width) if at == 0 else text.rjust(width)
                          for at, (text, width) in enumerate(zip(line, widths))]
        print("  ".join([first, *others]).rstrip())
    print()


def print_levels(photos):
    lines = []
    for level in LEVELS:
        found = summary(photos, level)
        lines.append([
            f">= {level}",
            f"{found['tags'] / len(photos):.2f}",
            share(found["right"], found["tags"]),
            share(found["hit"], len(photos)),
            str(found["wrong"]),
            str(found["none"]),
            str(sum(names_main(photo, level) for photo in photos)),
            str(sum(names_main(photo, level, TOP) for photo in photos)),
        ])
    table(["confidence", "tags/photo", "tags right", "photos with a right tag", "only wrong", "none",
           "main word", f"in first {TOP}"], lines)


def print_bins(photos):
    """How far confidences can be relied on."""
    told = [(confidence, tag in photo.right)
            for photo in photos for tag, confidence in photo.found
            if tag in photo.right or tag not in photo.unclear]
    lines = []
    for low, high in zip(BINS, BINS[1:]):
        inside = [(c, r) for c, r in told if low <= c < high or c == high == BINS[-1]]
        mean = f"{sum(c for c, _ in inside) / len(inside):.0f}" if inside else "-"
        lines.append([f"{low}-{high}", str(len(inside)), mean, share(sum(r for _, r in inside), len(inside))])
    table(["bin", "tags", "mean confidence", "right"], lines)


def print_kinds(photos):
    by_kind = defaultdict(list)
    for photo in photos:
        by_kind[photo.kind].append(photo)
    lines = []
    for kind, members in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        found = summary(members, LEVELS[0])
        lines.append([kind, str(len(members)), f"{found['tags'] / len(members):.1f}",
                      share(found["right"], found["tags"]), str(found["hit"]), str(found["wrong"]),
                      str(found["none"])])
    table([f"kind, >= {LEVELS[0]}", "photos", "tags/photo", "tags right", "with a right tag",
           "only wrong", "none"], lines)


def print_mistakes(photos):
    for name, photo in photos.items():
        told = photo.told(LEVELS[0])
        wrong = [tag for tag, right in told if not right]
        if wrong or not told:
            print(f"{name}: {'wrong: ' + ', '.join(wrong) if wrong else 'nothing'}")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="tag-quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of photos")
    parser.add_argument("truth", type=Path, metavar="TRUTH.tsv", help="what is true of them")
    parser.add_argument("--provider", help="the tagger, as in the setting tagging.provider: local, imagga, auto")
    parser.add_argument("--words", type=Path, action="append", default=[], metavar="TABLE",
                        help="one more table of synonyms and ancestors, in the form of tag-quality.d/words.tsv")
    parser.add_argument("--mistakes", action="store_true",
                        help=f"list the photos with a wrong tag, or none, of {LEVELS[0]} or more")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    vocabulary = Vocabulary()
    vocabulary.read_model(MODEL)
    for path in [HERE / "words.tsv", *options.words]:
        vocabulary.read_words(path)
    photos = read_truth(options.truth, vocabulary)
    judge(photos, options.photos, tag(options.photos, options.provider))
    print(f"{len(photos)} photos\n")
    print_levels(photos.values())
    print_bins(photos.values())
    print_kinds(photos.values())
    if options.mistakes:
        print_mistakes(photos)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Mistake as mistake:
        sys.exit(f"tag-quality: {mistake}")
