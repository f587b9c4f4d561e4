"""Three nodes of a Galera cluster on this machine."""

import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROVIDERS = (
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib/libgalera_smm.so",
)
# Most seconds in which a node that was killed finds the position of its data; systemd gives it no longer.
RECOVERY = 90
DATABASE = "etiqueta"
USER = PASSWORD = "etiqueta"

# Nothing is kept, so nothing is synced; the redo log is small, as a state transfer copies it.
OPTIONS = [
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--max-connections=200",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-autoinc-lock-mode=2",
    "--binlog-format=ROW",
    "--default-storage-engine=InnoDB",
    "--wsrep-on=ON",
    "--wsrep-cluster-name=etiqueta-test",
    "--wsrep-slave-threads=4",
    "--wsrep-sst-method=rsync",
]


class ClusterError(Exception):
    """The cluster, or a part of the test, does not do what it must."""


def free_ports(count):
    """Ports that were free a moment ago, and that no outgoing connection takes meanwhile."""
    ports = []
    while len(ports) < count:
        port = random.randrange(10_000, 20_000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        ports.append(port)
    return ports


def account():
    """The account of the nodes: the state transfer does not work as root."""
    if os.getuid() != 0:
        return []
    for name in ("mysql", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    raise ClusterError("neither an account mysql nor nobody")


class Node:
    """A node, which may be killed, stopped, paused and started again."""

    def __init__(self, cluster, number):
        self.cluster, self.number = cluster, number
        self.name = f"node {number}"
        self.folder = cluster.folder / f"node{number}"
        self.data = self.folder / "data"
        self.socket = self.folder / "s.sock"
        self.port, self.group_port, self.ist_port, self.sst_port = free_ports(4)
        self.process = None

    def url(self):
        """All nodes, this one first."""
        nodes = [self, *(node for node in self.cluster.nodes if node is not self)]
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        return f"mysql://{USER}:{PASSWORD}@{hosts}/{DATABASE}"

    def command(self, *more):
        addresses = ",".join(f"127.0.0.1:{node.group_port}" for node in self.cluster.nodes)
        provider = (
            f"gmcast.listen_addr=tcp://127.0.0.1:{self.group_port};ist.recv_addr=127.0.0.1:{self.ist_port};"
            "gcache.size=64M;pc.recovery=false"
        )
        return [
            *account(),
            "mariadbd",
            "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={self.socket}",
            f"--pid-file={self.folder}/pid",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--wsrep-provider={self.cluster.provider}",
            f"--wsrep-cluster-address=gcomm://{addresses}",
            f"--wsrep-node-name=node{self.number}",
            "--wsrep-node-address=127.0.0.1",
            f"--wsrep-sst-receive-address=127.0.0.1:{self.sst_port}",
            f"--wsrep-provider-options={provider}",
            *OPTIONS,
            *more,
        ]

    def create(self):
        """Makes the data of the first node; the others get theirs from it."""
        command = ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
                   "--skip-name-resolve", "--auth-root-authentication-method=normal"]
        with open(self.folder / "create.log", "wb") as log:
            made = subprocess.run([*account(), *command], stdout=log, stderr=log, cwd=self.folder)
        if made.returncode != 0:
            raise ClusterError(f"{self.name} cannot be created: {self.last_line('create.log')}")

    def launch(self, *more):
        log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(self.command(*more), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        cwd=self.folder)
        log.close()

    def rejoin(self):
        """Starts a node again as mysqld_safe does: from the position of its data, so that it is sent only what
        it has missed."""
        try:
            recovered = subprocess.run(self.command("--wsrep-recover", f"--log-error={self.folder}/recover.log"),
                                       stdin=subprocess.DEVNULL, cwd=self.folder, timeout=RECOVERY).returncode
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"{self.name} does not recover: {self.last_line('recover.log')}") from error
        if recovered != 0:
            raise ClusterError(f"{self.name} cannot recover: {self.last_line('recover.log')}")
        found = re.findall(r"Recovered position: *(\S+)", (self.folder / "recover.log").read_text(errors="replace"))
        self.launch(*(f"--wsrep-start-position={position}" for position in found[-1:]))

    def wait_until_synced(self, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise ClusterError(f"{self.name} ended: {self.last_line('server.log')}")
            if self.is_synced():
                return
            time.sleep(0.1)
        raise ClusterError(f"{self.name} does not join: {self.last_line('server.log')}")

    def is_synced(self):
        names = "'wsrep_local_state_comment','wsrep_ready','wsrep_cluster_status'"
        try:
            rows = self.query(f"SHOW STATUS WHERE Variable_name IN ({names})", seconds=5)
        except (ClusterError, subprocess.TimeoutExpired):
            return False
        return {row[1] for row in rows} == {"Synced", "ON", "Primary"}

    def last_line(self, name):
        lines = (self.folder / name).read_text(errors="replace").splitlines()
        errors = [line for line in lines if "[ERROR]" in line]
        return (errors or lines or ["nothing in its log"])[-1]

    def client(self):
        return ["mariadb", "--no-defaults", "-uroot", f"--socket={self.socket}", "-BN", "--connect-timeout=5"]

    def query(self, statement, database=None, seconds=60):
        """The rows of the last statement, as texts."""
        command = [*self.client(), *([database] if database else []), "-e", statement]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        if done.returncode != 0:
            raise ClusterError(f"{self.name}: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def hold(self, statement):
        """Runs a statement in a session that stays open until its input is closed."""
        session = subprocess.Popen([*self.client(), "-n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        session.stdin.write(f"{statement};\nSELECT 'done';\n")
        session.stdin.flush()
        if session.stdout.readline().strip() != "done":
            session.kill()
            raise ClusterError(f"{self.name} refuses {statement}")
        return session

    def signal(self, which):
        self.process.send_signal(which)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=60):
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise ClusterError(f"{self.name} does not stop") from error


class Cluster:
    """The nodes; `start` returns when all are synced."""

    def __init__(self, folder):
        self.folder = Path(folder)
        provider = [path for path in PROVIDERS if os.path.exists(path)]
        if not provider:
            raise ClusterError("libgalera_smm.so is not installed")
        self.provider = provider[0]
        self.nodes = []
        self.nodes = [Node(self, number) for number in (1, 2, 3)]

    def start(self):
        for node in self.nodes:
            node.folder.mkdir()
            for prefix in account()[1:2]:
                shutil.chown(node.folder, user=int(prefix.split("=")[1]))
        first, *others = self.nodes
        first.create()
        first.launch("--wsrep-new-cluster")
        first.wait_until_synced()
        first.query(
            f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;"
            f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';"
            f"GRANT ALL PRIVILEGES ON {DATABASE}.* TO '{USER}'@'%'"
        )
        for node in others:
            node.data.mkdir()
            for prefix in account()[1:2]:
                shutil.chown(node.data, user=int(prefix.split("=")[1]))
            node.launch()
        for node in others:
            node.wait_until_synced()

    def version(self):
        rows = self.nodes[0].query("SELECT VERSION(); SHOW STATUS LIKE 'wsrep_provider_version'")
        return f"MariaDB {rows[0][0]}, Galera {rows[1][1]}"

    def align(self, nodes, seconds=60):
        """Waits until these nodes have applied everything that was committed on any of them."""
        for node in nodes:
            end = time.monotonic() + seconds
            while True:
                try:
                    node.query("SET SESSION wsrep_sync_wait = 1; SELECT 1")
                    break
                except ClusterError:
                    # A node that was cut off says so, or does not know it yet.
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.2)
