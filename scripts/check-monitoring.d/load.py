"""Load on a server for some seconds, such that every panel of the dashboard has something to show."""

import base64
import itertools
import json
import struct
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib

SERVER, SECONDS = sys.argv[1], float(sys.argv[2])
PAUSE = 0.02


def picture(number, side=64):
    """A PNG of two colours, another one for each number."""
    row = b"\0" + bytes((number * 37 + x) % 256 for x in range(side * 3))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    text = chunk(b"tEXt", b"Number\0" + str(number).encode())
    return b"\x89PNG\r\n\x1a\n" + header + text + chunk(b"IDAT", zlib.compress(row * side)) + chunk(b"IEND", b"")


def ask(method, path, body=None, kind="application/json"):
    """The status and the body of an answer, whatever it is."""
    request = urllib.request.Request(SERVER + path, body, {"content-type": kind}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def one_round(number, known):
    status, body = ask("POST", "/image", picture(number), "image/png")
    if status == 200:
        known.append(json.loads(body)["id"])
    ask("POST", "/image", json.dumps({"data": base64.b64encode(picture(0)).decode()}).encode())
    ask("GET", "/images?limit=50")
    ask("GET", "/tags")
    image = known[number % len(known)] if known else "none"
    ask("GET", f"/image/{image}/thumbnail")
    ask("PATCH", f"/image/{image}/tags", b'{"add": ["looked at"]}')
    if number % 50 == 7:
        ask("DELETE", f"/image/{known.pop(0)}" if known else "/image/none")
        ask("GET", "/nowhere")
        ask("POST", "/jobs", b'{"kind": "retag", "filter": {"all": true}, "min_confidence": 40}')


def work(numbers, end, known):
    while time.monotonic() < end:
        one_round(next(numbers), known)
        time.sleep(PAUSE)


def main():
    numbers, end, known = itertools.count(1), time.monotonic() + SECONDS, []
    threads = [threading.Thread(target=work, args=(numbers, end, known)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{next(numbers) - 1} rounds of requests")


main()
