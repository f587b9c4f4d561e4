"""Runs the phases of scripts/cluster-test, and says of each whether all was as it must be."""

import argparse
import faulthandler
import random
import re
import sys
import time
from pathlib import Path

import faults
import truth
from galera import Cluster, ClusterError
from load import Load
from servers import Fakes, Server

# The pause between two comparisons of a phase, in seconds.
PAUSE = 1.0
# Most images whose bytes are read at the end, through each server.
READ_AT_THE_END = 300

HEADER = ("phase", "s", "posts", "/s", "slowest", "gap 1", "gap 2", "gap 3", "503", "refused", "stale", "compared", "")
ROW = "{:<42} {:>4} {:>6} {:>5} {:>7} {:>6} {:>6} {:>6} {:>5} {:>7} {:>9} {:>8}  {}"


def say(text):
    print(text, flush=True)


class Test:
    """The cluster, the servers at it, and what was found."""

    def __init__(self, options):
        self.options = options
        self.folder = Path(options.folder)
        self.originals = self.folder / "originals"
        self.faults, self.session = [], None
        began = time.monotonic()
        self.cluster = Cluster(self.folder)
        self.cluster.start()
        say(f"{self.cluster.version()}: three nodes after {time.monotonic() - began:.0f} s")
        self.fakes = Fakes(options.fakes)
        self.servers = [Server(options.binary, self.fakes, self.folder, node, self.originals)
                        for node in self.cluster.nodes]
        # All at once, on an empty database: one of them brings the schema.
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait_until_ready()
        say(f"three servers after {time.monotonic() - began:.0f} s; seed {options.seed}")
        self.load = Load(self.servers, options.clients, options.seed)

    def run(self, phases):
        self.load.start()
        say(ROW.format(*HEADER))
        for phase in phases:
            self.phase(phase)
        self.load.stop()
        self.last_checks()

    def phase(self, phase):
        self.load.phase()
        verdict = truth.Verdict()
        heard = [server for server in self.servers if server.node.number != phase.silent]
        if phase.silent:
            self.load.silent = self.servers[phase.silent - 1]
            self.only_add()
        began = time.monotonic()
        phase.strike(self)
        end = time.monotonic() + phase.seconds
        while time.monotonic() < end:
            self.compare(phase, heard, verdict)
            time.sleep(min(PAUSE, max(0.0, end - time.monotonic())))
        if phase.mend:
            phase.mend(self)
        seconds = time.monotonic() - began
        answers = self.load.phase()
        self.load.edits.set()
        self.load.silent = None
        self.at_rest(self.servers, verdict)
        self.judge(phase, answers, verdict, seconds)

    def removed_originals(self):
        """How many originals upkeep has removed, by the logs."""
        return sum(server.removed() for server in self.servers)

    def say_removed(self, count):
        say(f"    {count} originals were removed meanwhile")
        if not count:
            self.faults.append("nothing was removed while it was posted")

    def only_add(self):
        """No edits and deletions, and none of them under way."""
        self.load.edits.clear()
        self.load.pause()
        self.load.resume()

    def compare(self, phase, heard, verdict):
        if not phase.silent:
            self.at_rest(heard, verdict)
            self.only_add()
        truth.while_posting(heard, verdict)
        if not phase.silent:
            self.load.edits.set()

    def at_rest(self, servers, verdict):
        self.load.pause()
        try:
            truth.at_rest(servers, verdict)
            different = truth.same_everywhere([server.node for server in servers])
            verdict.add("nodes", different)
        finally:
            self.load.resume()

    def judge(self, phase, answers, verdict, seconds):
        wrong = [*answers.strange[:5], *verdict.wrong[:5]]
        excused = {-1: {server.name for server in self.servers}}.get(phase.excused, {f"server {phase.excused}"})
        for server, statuses in answers.by_server.items():
            failed = {status: count for status, count in statuses.items() if status in (503, "refused")}
            if failed and server not in excused:
                wrong.append(f"{server} was not available: {failed}")
            if answers.gaps[server] > (phase.back if server in excused else phase.gap):
                wrong.append(f"{server} gave no answer for {answers.gaps[server]:.1f} s")
        if answers.stale and not self.options.stale:
            wrong.append(f"{answers.stale} of {answers.read_back} images were not found through another server")
        gaps = [f"{answers.gaps.get(server.name, 0):.1f}" for server in self.servers]
        say(ROW.format(phase.name, f"{seconds:.0f}", answers.posts, f"{answers.posts / max(answers.seconds, 1):.0f}",
                       f"{answers.slowest:.1f}", *gaps, answers.by_status[503], answers.by_status["refused"],
                       f"{answers.stale}/{answers.read_back}", verdict.compared, "ok" if not wrong else "WRONG"))
        self.note(phase.name, wrong)

    def note(self, where, wrong):
        for line in wrong:
            say(f"    {line}")
            self.faults.append(f"{where}: {line}")

    def last_checks(self):
        for server in self.servers:
            lost = truth.lost_images(self.load.images, server, self.originals,
                                     max(1, len(self.load.images) // READ_AT_THE_END))
            self.note(f"at the end, {server.name}", lost[:5])
        code, findings = self.servers[0].check()
        self.note("etiqueta check", [str(finding) for finding in findings][:5])
        # What is under way has ended: the statistics stay what they are once everything is rolled up.
        time.sleep(0 if self.options.short else 14)
        verdict = truth.Verdict()
        truth.at_rest(self.servers, verdict)
        self.note("at the end", verdict.wrong)
        self.note("logs", [line for server in self.servers for line in server.errors()][:10])
        images = len(self.load.images)
        say(f"at the end: {images} images answered, all there or deleted as answered; check ended with {code}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--claims", type=int, default=0)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--fakes", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--clients", type=int, default=9)
    parser.add_argument("--only", default="", help="a regular expression: the phases to run")
    parser.add_argument("--stale", action="store_true", help="a read through another node may be older")
    return parser.parse_args()


def longest(options):
    """After how many seconds the test has failed."""
    return 300 if options.short else 1800 + options.claims


def main():
    options = arguments()
    phases = faults.short_form() if options.short else faults.long_form()
    phases = faults.claims(options.claims) if options.claims else phases
    phases = [phase for phase in phases if re.search(options.only, phase.name)]
    # Whatever hangs, by what it waits for.
    faulthandler.dump_traceback_later(longest(options), exit=True)
    began = time.monotonic()
    try:
        test = Test(options)
        test.run(phases)
        wrong = test.faults
    except ClusterError as error:
        wrong = [str(error)]
        say(f"    {error}")
    verdict = "passed" if not wrong else f"FAILED, {len(wrong)} findings"
    say(f"cluster-test: {verdict} after {time.monotonic() - began:.0f} s, seed {options.seed}")
    return 1 if wrong else 0


sys.exit(main())
