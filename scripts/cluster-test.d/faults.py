"""The phases of the test: what is done to the cluster while clients post, and what is allowed meanwhile."""

import json
import os
import signal
import time
from dataclasses import dataclass
from typing import Callable

from galera import ClusterError

# After so long without a sign of life a node is taken out of the cluster (evs.suspect_timeout, and what the others
# take to agree on it).
GALERA_TIMEOUT = 5.0


@dataclass
class Phase:
    """What happens, for how many seconds after it, and what may go wrong at which server."""

    name: str
    seconds: float
    strike: Callable
    mend: Callable = None
    # The number of the server that may be unavailable (-1: any), and how long it and the others may give no answer.
    excused: int = 0
    gap: float = 2.0
    back: float = 60.0
    # The server that is not asked while the fault lasts.
    silent: int = 0


def nothing(_):
    """No fault."""


def skewed(number, offset):
    """Restarts a server with another clock."""

    def strike(test):
        server = test.servers[number - 1]
        server.stop()
        server.launch_late(offset)
        server.wait_until_ready()

    return strike


def restarted(number):
    def mend(test):
        server = test.servers[number - 1]
        server.stop()
        server.launch()
        server.wait_until_ready()

    return mend


def locked(number):
    """FLUSH TABLES WITH READ LOCK, as some backups do."""

    def strike(test):
        test.session = test.cluster.nodes[number - 1].hold("FLUSH TABLES WITH READ LOCK")

    def mend(test):
        test.session.stdin.close()
        test.session.wait(30)

    return strike, mend


def killed_node(number):
    def strike(test):
        test.cluster.nodes[number - 1].kill()

    def mend(test):
        node = test.cluster.nodes[number - 1]
        node.rejoin()
        node.wait_until_synced()

    return strike, mend


def paused_node(number):
    def strike(test):
        test.cluster.nodes[number - 1].signal(signal.SIGSTOP)

    def mend(test):
        node = test.cluster.nodes[number - 1]
        node.signal(signal.SIGCONT)
        node.wait_until_synced()

    return strike, mend


def stopped_node(number):
    """A node is stopped and started as for an upgrade."""

    def strike(test):
        test.cluster.nodes[number - 1].stop()

    return strike, killed_node(number)[1]


def killed_server(number):
    def strike(test):
        test.servers[number - 1].kill()

    def mend(test):
        server = test.servers[number - 1]
        server.launch()
        server.wait_until_ready()

    return strike, mend


# Jobs over everything that is there: a word for each image, and the tags of each again, from the stored answers.
JOBS = (
    {"kind": "edit", "filter": {"all": True}, "add": ["by a job"], "remove": ["blurred"]},
    {"kind": "retag", "filter": {"all": True}, "min_confidence": 30},
)


def jobs():
    """Jobs are made at server 2 and followed at server 3, while images are posted and server 1 is killed."""
    kill, mend = killed_server(1)

    def strike(test):
        test.only_add()
        for number, body in enumerate(JOBS):
            job = make(test, body)
            if number == 0:
                kill(test)
                time.sleep(2)
                mend(test)
            follow(test.servers[2], job)

    return strike


def make(test, body):
    """Makes a job, while no post is under way: it changes the images that are there then, and no others."""
    test.load.pause()
    try:
        status, answer = test.servers[1].call("POST", "/jobs", body)
        if status != 202:
            raise ClusterError(f"POST /jobs answers {status}: {answer[:300]}")
        for image in test.load.images:
            image.is_edited = True
    finally:
        test.load.resume()
    return json.loads(answer)["id"]


def follow(server, job, seconds=600):
    """Waits until a job has ended well. A server of the dev profile changes some two hundred images a second."""
    end = time.monotonic() + seconds
    while True:
        status, body = server.get(f"/jobs/{job}")
        found = json.loads(body) if status == 200 else {}
        if found.get("finished"):
            break
        if time.monotonic() > end:
            raise ClusterError(f"job {job} does not end: {body[:300]}")
        time.sleep(0.2)
    if found["state"] != "done" or found["failed"] or found["done"] != found["total"]:
        raise ClusterError(f"job {job} ended as {body[:500]}")


def folder_away():
    def strike(test):
        os.rename(test.originals, f"{test.originals}.away")

    def mend(test):
        os.rename(f"{test.originals}.away", test.originals)

    return strike, mend


def contested(posts):
    """The same few bytes are posted, deleted and removed through all nodes at once, so many times."""

    def strike(test):
        removed = test.removed_originals()
        test.load.is_contest = True
        while test.load.answers.posts < posts:
            time.sleep(0.2)
        test.load.is_contest = False
        test.say_removed(test.removed_originals() - removed)

    # An upload waits for a removal of its bytes, some seconds at most, and is 503 then.
    return Phase(f"the same bytes posted and removed, {posts} times", 0, strike, excused=-1, gap=4.0, back=4.0)


def claims(posts):
    """That alone."""
    return [contested(posts)]


def long_form():
    out = GALERA_TIMEOUT + 2.0
    return [
        Phase("no fault", 120, nothing),
        contested(1000),
        Phase("clock of server 2 10.5 s behind", 25, skewed(2, -10.5), excused=2),
        Phase("clock of server 2 4 min behind", 20, skewed(2, -240), excused=2),
        Phase("clock of server 2 3 min ahead", 20, skewed(2, 180), restarted(2), excused=2),
        Phase("node 3: FLUSH TABLES WITH READ LOCK, 16 s", 16, *locked(3), excused=3, silent=3),
        Phase("node 3 killed, rejoins", 15, *killed_node(3), excused=3, gap=out, back=2 * out, silent=3),
        Phase("node 2 stopped, rejoins", 10, *stopped_node(2), excused=2, back=out, silent=2),
        Phase("node 2: SIGSTOP, 12 s", 12, *paused_node(2), excused=2, gap=out, silent=2),
        Phase("server 1 killed, starts again", 6, *killed_server(1), excused=1, silent=1),
        Phase("jobs over all images, server 1 killed", 0, jobs(), excused=1, silent=1),
        Phase("originals away, 5 s", 5, *folder_away(), excused=-1, gap=10.0),
    ]


def short_form():
    """A clock that is behind, and a node that is killed. The machine may have other work: what is a standstill here
    was ten seconds and more."""
    return [
        Phase("clock of server 2 10.5 s behind", 14, skewed(2, -10.5), excused=2, gap=8.0),
        Phase("node 3 killed, rejoins", 12, *killed_node(3), excused=3, gap=GALERA_TIMEOUT + 8.0, silent=3),
    ]
