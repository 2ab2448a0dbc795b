# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run of a program: how long, how much memory, how much was written."""
import dataclasses
import json
import os
import resource
import subprocess
import sys
import threading
import time

MIB = 1024 * 1024
# A disk that is still busy after so long has other work than ours.
SETTLE_SECONDS = 60
POLL_SECONDS = 0.1
QUIET_POLLS = 10


@dataclasses.dataclass
class Figures:
    """What one run took. Stages are seconds by name; peak is of the largest process, with all descendants that were waited for."""

    seconds: float
    peak_mib: float
    written_mib: float
    disk_peak_mib: float
    disk_left_mib: float
    stages: dict = dataclasses.field(default_factory=dict)
    why: dict = dataclasses.field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""
    result: dict = None


def free_mib(path):
    stat = os.statvfs(path)
    return stat.f_bfree * stat.f_frsize / MIB


def disk_counters(path):
    """What the disk that @path is on has done since the machine started (Documentation/admin-guide/iostats.rst), [] if nobody knows."""
    device = os.stat(path).st_dev
    with open("/proc/diskstats") as file:
        for line in file:
            fields = line.split()
            if (int(fields[0]), int(fields[1])) == (os.major(device), os.minor(device)):
                return [int(field) for field in fields[3:]]
    return []


def written_mib(path):
    counters = disk_counters(path)
    return counters[6] * 512 / MIB if counters else 0.0


def settle(path):
    """Everything is written, and the disk rests: a file system gives blocks back (discard) for seconds after sync(2) has returned."""
    os.sync()
    deadline, quiet, last = time.monotonic() + SETTLE_SECONDS, 0, None
    while quiet < QUIET_POLLS and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        now = disk_counters(path)
        quiet = quiet + 1 if now == last else 0
        last = now


def _child(argv, env, disk, pipe):
    """In a process of its own, because RUSAGE_CHILDREN never falls again."""
    settle(disk)
    written, before = written_mib(disk), free_mib(disk)
    lowest, over = [before], threading.Event()

    def watch():
        while not over.wait(0.1):
            lowest[0] = min(lowest[0], free_mib(disk))

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.monotonic()
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    seconds = time.monotonic() - begun
    over.set()
    watcher.join()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    # What is still in memory is written too, but nobody waited for it.
    os.sync()
    json.dump([done.returncode, seconds, peak, written_mib(disk) - written, before - lowest[0], before - free_mib(disk),
               done.stdout, done.stderr], pipe)


def run(argv, disk, env=None, cores=None):
    """Runs a program to its end on @cores (None: all); ends this program if it fails. @disk is a path on the disk it writes to."""
    if cores is not None:
        argv = ["taskset", "-c", cores, *argv]
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        with os.fdopen(write, "w") as pipe:
            _child(argv, env, disk, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        status, seconds, peak, written, disk_peak, left, out, err = json.load(pipe)
    os.waitpid(pid, 0)
    if status != 0:
        sys.exit(f"bench: {' '.join(argv)} failed ({status}):\n{(out + err)[-3000:]}")
    return Figures(seconds, peak, written, disk_peak, left, stdout=out, stderr=err)
