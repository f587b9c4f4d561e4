"""The servers under test, one at each node, and the stand-ins for their tag provider."""

import json
import os
import signal
import subprocess
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from galera import ClusterError

FAKETIME = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1")

# Upkeep runs often, and removes what deleted images leave: it must not harm uploads of the same bytes.
VARIABLES = {
    "RUST_BACKTRACE": "1",
    "ETIQUETA__SERVER__PORT": "0",
    "ETIQUETA__LOG__FORMAT": "json",
    "ETIQUETA__UPKEEP__INTERVAL": "1s",
    # More than the clocks of the test differ by.
    "ETIQUETA__UPKEEP__ORIGINAL_AGE": "5m",
    "ETIQUETA__TAGGING__PROVIDER": "imagga",
}


# Without a blob host: one call fewer for each picture.
NEEDED = ("ETIQUETA__IMAGGA__BASE_URL", "ETIQUETA__IMAGGA__API_KEY", "ETIQUETA__IMAGGA__API_SECRET")


class Fakes:
    """The stand-ins, a process of their own."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
        self.variables = {}
        while len(self.variables) < len(NEEDED):
            line = self.process.stdout.readline()
            if not line:
                raise ClusterError("the stand-ins for the tag provider do not start")
            name, _, value = line.strip().removeprefix("export ").partition("=")
            if name in NEEDED:
                self.variables[name] = value.strip("'")


class Server:
    """A server of the program under test at one node."""

    def __init__(self, program, fakes, folder, node, originals):
        self.program, self.fakes, self.node, self.originals = program, fakes, node, originals
        self.name = f"server {node.number}"
        self.folder = Path(folder) / f"server{node.number}"
        self.folder.mkdir()
        self.log = self.folder / "log"
        self.starts, self.process, self.port = 0, None, None

    def variables(self, more):
        return {
            **VARIABLES,
            **self.fakes.variables,
            "ETIQUETA__DATABASE__URL": self.node.url(),
            "ETIQUETA__ORIGINALS__URL": f"file:{self.originals}",
            **more,
        }

    def launch(self, **more):
        self.starts += 1
        self.log = self.folder / f"log{self.starts}"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([self.program], cwd=self.folder, env=self.variables(more),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def launch_late(self, offset):
        """With a clock that is that many seconds off."""
        library = [path for path in FAKETIME if os.path.exists(path)]
        if not library:
            raise ClusterError("libfaketime is not installed")
        self.launch(LD_PRELOAD=library[0], FAKETIME=f"{offset:+}", FAKETIME_DONT_FAKE_MONOTONIC="1",
                    DONT_FAKE_MONOTONIC="1")

    def wait_until_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise ClusterError(f"{self.name} ended: {self.log.read_text()[-2000:]}")
            self.port = self.find_port()
            try:
                if self.port and self.get("/readyz", seconds=5)[0] == 200:
                    return
            except (OSError, HTTPException):
                pass
            time.sleep(0.05)
        raise ClusterError(f"{self.name} is not ready: {self.log.read_text()[-2000:]}")

    def find_port(self):
        for line in self.log.read_text().splitlines():
            try:
                address = json.loads(line).get("fields", {}).get("address")
            except ValueError:
                continue
            if address:
                return int(address.rsplit(":", 1)[1])
        return None

    def get(self, path, seconds=60):
        return self.call("GET", path, seconds=seconds)

    def call(self, method, path, body=None, seconds=60):
        """Status and body of an answer; the body of the request is sent as JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=60):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise ClusterError(f"{self.name} does not stop") from error

    def check(self):
        """`etiqueta check --json`: exit code and findings."""
        done = subprocess.run([self.program, "check", "--json", "--quick"], cwd=self.folder, env=self.variables({}),
                              capture_output=True, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        findings = [line for line in lines if "finding" in line]
        if done.returncode not in (0, 1, 4):
            raise ClusterError(f"etiqueta check: {done.stderr.strip()}")
        return done.returncode, findings

    def removed(self):
        """How many originals it has removed, as its logs say."""
        lines = [line for log in self.folder.glob("log*") for line in log.read_text(errors="replace").splitlines()
                 if "abandoned originals removed" in line and '"count"' in line]
        return sum(int(json.loads(line)["fields"]["count"]) for line in lines)

    def errors(self):
        """The lines of its logs that tell of an error."""
        found = []
        for log in sorted(self.folder.glob("log*")):
            for line in log.read_text(errors="replace").splitlines():
                if '"level":"ERROR"' in line or "panicked" in line:
                    found.append(f"{self.name}: {line}")
        return found
