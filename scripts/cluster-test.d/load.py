"""Clients of the servers: they register, edit and delete images, and note how each request was answered."""

import base64
import json
import random
import struct
import threading
import time
import zlib
from collections import Counter
from http.client import HTTPConnection, HTTPException

TAGS = ["keep", "travel", "family", "sunset", "kitchen", "blurred"]
COLOURS = 24
# Most pictures whose bytes are posted again and again.
KNOWN = 40
# How many are posted and deleted by all clients at once.
CONTESTED = 25


def picture(colour, number):
    """A PNG of one colour that no other one is equal to."""
    red, green, blue = colour
    row = b"\0" + bytes((red, green, blue)) * 4
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)),
        (b"tEXt", b"Comment\0" + str(number).encode()),
        (b"IDAT", zlib.compress(row * 4)),
        (b"IEND", b""),
    ]
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in chunks:
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(parts)


class Image:
    """What the clients know of an image whose registration was answered."""

    def __init__(self, body, data):
        self.id, self.data = body["id"], data
        self.tags = {tag["tag"]: tag["confidence"] for tag in body["tags"]}
        # `None`: a deletion, or an edit, was not answered.
        self.is_there = True
        self.is_edited = False


class Answers:
    """How the requests of a phase were answered."""

    def __init__(self, servers):
        self.lock = threading.Lock()
        self.by_status, self.by_server = Counter(), {server.name: Counter() for server in servers}
        self.posts, self.slowest, self.stale, self.read_back = 0, 0.0, 0, 0
        self.strange, self.last = [], {}
        self.gaps, self.began = {}, time.monotonic()

    def note(self, server, kind, status, took, detail=""):
        now = time.monotonic()
        with self.lock:
            self.by_status[status] += 1
            self.by_server[server][status] += 1
            if status == 200 and kind == "post":
                self.posts += 1
            if isinstance(status, int) and status < 400:
                self.slowest = max(self.slowest, took)
                before = self.last.get(server, self.began)
                self.gaps[server] = max(self.gaps.get(server, 0.0), now - before)
                self.last[server] = now
            elif status not in (503, "refused") and len(self.strange) < 50:
                self.strange.append(f"{server} {kind}: {status} {detail}")

    def close(self):
        """Counts the silence at the end, too."""
        now = time.monotonic()
        with self.lock:
            for server in self.by_server:
                silence = now - self.last.get(server, self.began)
                self.gaps[server] = max(self.gaps.get(server, 0.0), silence)
            self.seconds = now - self.began


class Load:
    """The clients. `pause` waits until no request is under way, and holds back further ones."""

    def __init__(self, servers, clients, seed):
        self.servers, self.seed = servers, seed
        self.answers, self.images = Answers(servers), []
        self.known = [picture(self.colour(random.Random(n)), f"known {n}") for n in range(KNOWN)]
        self.contested = [picture(self.colour(random.Random(n)), f"contested {n}") for n in range(CONTESTED)]
        self.is_contest = False
        # The server that images are not read through: its node is away.
        self.silent = None
        self.edits = threading.Event()
        self.edits.set()
        self.stopping = False
        self.gate, self.running, self.is_open = threading.Condition(), 0, True
        self.lock = threading.Lock()
        self.count = 0
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(clients)]

    @staticmethod
    def colour(dice):
        return tuple(dice.randrange(COLOURS) * 255 // (COLOURS - 1) for _ in range(3))

    def start(self):
        for thread in self.threads:
            thread.start()

    def phase(self):
        """Ends a phase, and returns its answers."""
        answers, self.answers = self.answers, Answers(self.servers)
        answers.close()
        return answers

    def pause(self):
        with self.gate:
            self.is_open = False
            while self.running:
                self.gate.wait()

    def resume(self):
        with self.gate:
            self.is_open = True
            self.gate.notify_all()
        # The pause is no silence of the servers.
        now = time.monotonic()
        with self.answers.lock:
            self.answers.last = {server: now for server in self.answers.last}
            self.answers.began = now if not self.answers.last else self.answers.began

    def stop(self):
        self.stopping = True
        self.resume()
        for thread in self.threads:
            thread.join(90)

    def run(self, number):
        dice = random.Random(self.seed * 1000 + number)
        client = Client(self, number, dice)
        while not self.stopping:
            with self.gate:
                while not self.is_open and not self.stopping:
                    self.gate.wait()
                self.running += 1
            try:
                client.step()
            finally:
                with self.gate:
                    self.running -= 1
                    self.gate.notify_all()

    def number(self):
        with self.lock:
            self.count += 1
            return self.count


class Client:
    """One client: posts to its own server, and edits and reads its images through others."""

    def __init__(self, load, number, dice):
        self.load, self.dice = load, dice
        self.home = load.servers[number % len(load.servers)]
        self.connections, self.own = {}, []

    def step(self):
        if self.load.is_contest:
            self.post_and_delete()
            return
        chance = self.dice.random()
        editable = [image for image in self.own[-200:] if image.is_there and not image.is_edited]
        if chance < 0.75 or not editable or not self.load.edits.is_set():
            self.post()
        elif chance < 0.9:
            self.edit(self.dice.choice(editable))
        else:
            self.delete(self.dice.choice(editable))

    def call(self, server, method, path, body=None, kind=None):
        """Status and body; `None` and nothing if there was no answer."""
        key = (server.name, server.port)
        connection = self.connections.pop(key, None) or HTTPConnection("127.0.0.1", server.port, timeout=75)
        began = time.monotonic()
        try:
            headers = {"Content-Type": "application/json", "Prefer": "return=minimal"} if body is not None else {}
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, HTTPException):
            connection.close()
            self.load.answers.note(server.name, kind or method.lower(), "refused", time.monotonic() - began)
            time.sleep(0.05)
            return None, b""
        self.connections[key] = connection
        detail = data[:300].decode(errors="replace") if response.status >= 400 else ""
        self.load.answers.note(server.name, kind or method.lower(), response.status, time.monotonic() - began, detail)
        if response.status == 503:
            time.sleep(0.05)
        return response.status, data

    def post(self):
        if self.dice.random() < 0.5:
            data = self.dice.choice(self.load.known)
        else:
            data = picture(self.load.colour(self.dice), self.load.number())
        image = self.register(data)
        if image and self.dice.random() < 0.3:
            self.read_back(image)

    def post_and_delete(self):
        """Deletions abandon originals, which upkeep removes, while other clients post the same bytes."""
        image = self.register(self.dice.choice(self.load.contested))
        if not image:
            return
        status, answer = self.call(self.home, "GET", f"/image/{image.id}")
        if status == 200 and base64.b64decode(json.loads(answer)["data"]) != image.data:
            self.load.answers.note(self.home.name, "bytes", "altered", 0.0)
        if self.dice.random() < 0.95:
            self.delete(image)

    def register(self, data):
        """The image, if it was answered."""
        body = json.dumps({"data": base64.b64encode(data).decode()})
        threshold = self.dice.choice([0, 20, 40, 60])
        status, answer = self.call(self.home, "POST", f"/image?min_confidence={threshold}", body, "post")
        if status == 200:
            image = Image(json.loads(answer), data)
            self.own.append(image)
            self.load.images.append(image)
            return image
        return None

    def read_back(self, image):
        """At once, through another server."""
        others = [server for server in self.load.servers if server not in (self.home, self.load.silent)]
        server = self.dice.choice(others)
        key = (server.name, server.port)
        connection = self.connections.pop(key, None) or HTTPConnection("127.0.0.1", server.port, timeout=75)
        began = time.monotonic()
        try:
            connection.request("GET", f"/image/{image.id}")
            response = connection.getresponse()
            response.read()
        except (OSError, HTTPException):
            connection.close()
            return
        self.connections[key] = connection
        answers = self.load.answers
        if response.status in (200, 404):
            with answers.lock:
                answers.read_back += 1
                answers.stale += response.status == 404
        else:
            answers.note(server.name, "read back", response.status, time.monotonic() - began)

    def edit(self, image):
        add, remove = self.dice.sample(TAGS, 2), self.dice.sample(sorted(image.tags), min(1, len(image.tags)))
        body = json.dumps({"add": add, "remove": [tag for tag in remove if tag not in add]})
        status, answer = self.call(self.home, "PATCH", f"/image/{image.id}/tags", body)
        if status == 200:
            image.tags = {tag["tag"]: tag["confidence"] for tag in json.loads(answer)["tags"]}
        else:
            image.is_edited = True

    def delete(self, image):
        status, _ = self.call(self.home, "DELETE", f"/image/{image.id}")
        image.is_there = False if status == 204 else None
