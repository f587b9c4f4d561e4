#!/usr/bin/env python3
"""Makes the HEIC files beside this script, from pictures of our own.

Needs pillow-heif (1.8 made those that are there) and numpy. For each file NAME.heic it also writes NAME.png: the picture
upright, without opacity, as libheif decodes it.
"""

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

FOLDER = Path(__file__).resolve().parent


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(float)
    pixels = np.stack([x * 255 / width, y * 255 / height, 128 + 100 * np.sin((x + y) / 17)], -1)
    pixels[height // 8 : height // 3, width // 8 : width // 2] = [230, 40, 30]
    pixels[height // 2 : height * 3 // 4, width // 2 : width * 7 // 8] = [30, 90, 220]
    return pixels.clip(0, 255).astype("u1")


def coded(pixels, mode="RGB", **options):
    size = (pixels.shape[1], pixels.shape[0])
    file = pillow_heif.from_bytes(mode=mode, size=size, data=np.ascontiguousarray(pixels).tobytes())
    target = io.BytesIO()
    file.save(target, **{"quality": 60, "chroma": 444, **options})
    return target.getvalue()


def box(kind, *content):
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind, version, *content):
    return box(kind, bytes([version, 0, 0, 0]), *content)


def boxes(data, begin, end):
    while begin < end:
        length, kind = struct.unpack(">I4s", data[begin : begin + 8])
        yield kind, data[begin + 8 : begin + length]
        begin += length


def parts(file):
    """The decoder configuration and the data of a file with one coded picture."""
    meta = next(content for kind, content in boxes(file, 0, len(file)) if kind == b"meta")
    properties = next(content for kind, content in boxes(meta, 4, len(meta)) if kind == b"iprp")
    properties = next(content for kind, content in boxes(properties, 0, len(properties)) if kind == b"ipco")
    config = next(content for kind, content in boxes(properties, 0, len(properties)) if kind == b"hvcC")
    return config, next(content for kind, content in boxes(file, 0, len(file)) if kind == b"mdat")


def grid(width, height, side):
    """A grid as phones write it: tiles, of which the last ones extend past the edges, turned a quarter."""
    columns, rows = -(-width // side), -(-height // side)
    whole = np.zeros((rows * side, columns * side, 3), "u1")
    whole[:height, :width] = picture(width, height)
    tiles = [
        parts(coded(whole[y : y + side, x : x + side], chroma=420))
        for y in range(0, rows * side, side)
        for x in range(0, columns * side, side)
    ]
    assert len({config for config, _ in tiles}) == 1
    count = len(tiles)
    primary, exif = count + 1, count + 2
    kinds = [b"hvc1"] * count + [b"grid", b"Exif"]
    tiff = b"MM\0*\0\0\0\x08\0\x02\x01\x0f\0\x02\0\0\0\x05\0\0\0\x26\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0Acme\0"
    data = [tile for _, tile in tiles] + [bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", width, height)]
    data.append(b"\0\0\0\x06Exif\0\0" + tiff)
    entries = [
        full(b"infe", 2, struct.pack(">HH4s", n, 0, kind), b"\0") for n, kind in enumerate(kinds, 1)
    ]
    properties = box(
        b"ipco",
        box(b"hvcC", tiles[0][0]),
        full(b"ispe", 0, struct.pack(">II", side, side)),
        full(b"ispe", 0, struct.pack(">II", width, height)),
        box(b"irot", b"\x03"),
    )
    used = [struct.pack(">HBBB", n, 2, 0x81, 2) for n in range(1, count + 1)]
    used.append(struct.pack(">HBBB", primary, 2, 3, 0x84))
    references = [
        box(b"dimg", struct.pack(f">HH{count}H", primary, count, *range(1, count + 1))),
        box(b"cdsc", struct.pack(">HHH", exif, 1, primary)),
    ]

    def meta(places):
        locations = [struct.pack(">HHHII", n, 0, 1, at, len(part)) for n, (at, part) in enumerate(zip(places, data), 1)]
        return full(
            b"meta",
            0,
            full(b"hdlr", 0, b"\0\0\0\0pict", bytes(13)),
            full(b"pitm", 0, struct.pack(">H", primary)),
            full(b"iloc", 0, struct.pack(">HH", 0x4400, len(data)), *locations),
            full(b"iinf", 0, struct.pack(">H", len(entries)), *entries),
            box(b"iprp", properties, full(b"ipma", 0, struct.pack(">I", len(used)), *used)),
            full(b"iref", 0, *references),
        )

    front = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    begin = len(front) + len(meta([0] * len(data))) + 8
    places = [begin + sum(map(len, data[:n])) for n in range(len(data))]
    return front + meta(places) + box(b"mdat", *data)


def shown(file):
    opened = pillow_heif.open_heif(io.BytesIO(file))
    image = opened[opened.primary_index].to_pillow()
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def main():
    pillow_heif.register_heif_opener()
    turned = io.BytesIO()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x05\0\0\0\0\0\0"
    Image.fromarray(picture(96, 64)).save(turned, format="HEIF", exif=exif, quality=60, chroma=444)
    opacity = (np.mgrid[0:64, 0:96][1] * 255 // 95).astype("u1")
    files = {
        "heic-odd": coded(picture(93, 61)),
        "heic-turned": turned.getvalue(),
        "heic-alpha": coded(np.dstack([picture(96, 64), opacity]), "RGBA"),
        "heic-10-bits": coded(picture(96, 64).astype("u2") * 4, "RGB;10"),
        "heic-grey": coded(picture(96, 64)[..., 0], "L"),
        "heic-limited": coded(picture(96, 64), full_range_flag=0, matrix_coefficients=1, save_nclx_profile=True),
        "heic-420": coded(picture(96, 64), chroma=420),
        "heic-grid": grid(150, 100, 64),
    }
    for name, file in files.items():
        (FOLDER / f"{name}.heic").write_bytes(file)
        shown(file).save(FOLDER / f"{name}.png", optimize=True)
        sys.stdout.write(f"{name}: {len(file)} bytes\n")


main()
