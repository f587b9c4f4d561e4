"""The rule of crates/tag-provider-local/model/README.md, over ONNX Runtime and Pillow."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

PROJECT = Path(__file__).resolve().parents[2]
MODEL = Path(os.environ.get("MODEL", PROJECT / "crates/tag-provider-local/model"))
MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])


def table(name):
    lines = (MODEL / name).read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


class Hierarchy:
    """Which tags are above a node, itself included."""

    def __init__(self):
        self.parents, self.tag = {}, {}
        for node, _, parents, tag in table("hierarchy.tsv"):
            self.parents[node] = [parent for parent in parents.split(",") if parent]
            self.tag[node] = tag.lower()

    def tags(self, node):
        return {self.tag[node]}.union(*(self.tags(parent) for parent in self.parents[node]))


class Reference:
    def __init__(self):
        hierarchy = Hierarchy()
        self.beneath = {}
        for number, row in enumerate(table("labels.tsv")):
            for tag in hierarchy.tags(row[1]):
                self.beneath.setdefault(tag, []).append(number)
        self.objects = [
            (name, hierarchy.tag[node], hierarchy.tags(node))
            for _, name, node in table("detector_labels.tsv")
        ]
        self.classifier = session("classifier.onnx")
        self.detector = session("detector.onnx")

    def tags(self, file):
        """Tag to confidence, not rounded."""
        photo = flat(ImageOps.exif_transpose(Image.open(file)))
        width, height = photo.size
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        centre = (left, top, left + side, top + side)
        probabilities = ask(self.classifier, photo.resize((224, 224), Image.Resampling.BICUBIC, box=centre))
        scores = ask(self.detector, photo.resize((416, 416), Image.Resampling.BICUBIC))
        return {tag: 100 * min(strength, 1) for tag, strength in self.strengths(probabilities, scores).items()}

    def strengths(self, probabilities, scores):
        sharp = np.clip(probabilities.astype(float), 1e-9, 1) ** (1 / 0.8)
        sharp /= sharp.sum()
        sums = {tag: sharp[classes].sum() for tag, classes in self.beneath.items()}
        found = dict(sums)
        for (name, own, tags), score in zip(self.objects, map(float, scores)):
            if score < 0.3:
                continue
            if name != "person":
                score = weighed(score, own, tags, sums)
            for tag in tags:
                found[tag] = max(found.get(tag, 0), score)
        return found


def weighed(score, own, tags, sums):
    heard = sums.get(own, max((sums[tag] for tag in tags if tag in sums), default=1))
    if heard < 0.1:
        return score * (0.6 + 0.4 * heard / 0.1)
    if own in sums and score >= 0.6:
        return 1 - (1 - score) * (1 - heard)
    return score


def session(name):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(MODEL / name), options, providers=["CPUExecutionProvider"])


def ask(network, square):
    pixels = ((np.asarray(square) / 255 - MEAN) / DEVIATION).astype(np.float32)
    (answer,) = network.run(None, {"image": pixels.transpose(2, 0, 1)[None]})
    return answer[0]


def flat(photo):
    """RGB; what is transparent, over white."""
    if photo.mode in ("RGBA", "LA", "PA") or "transparency" in photo.info:
        photo = photo.convert("RGBA")
        white = Image.new("RGBA", photo.size, "white")
        return Image.alpha_composite(white, photo).convert("RGB")
    return photo.convert("RGB")
