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


def written_mib(path):
    """What has been written to the disk that @path is on since the machine started (Documentation/admin-guide/iostats.rst)."""
    device = os.stat(path).st_dev
    with open("/proc/diskstats") as file:
        for line in file:
            fields = line.split()
            if (int(fields[0]), int(fields[1])) == (os.major(device), os.minor(device)):
                return int(fields[9]) * 512 / MIB
    return 0.0


def _child(argv, env, disk, pipe):
    """In a process of its own, because RUSAGE_CHILDREN never falls again."""
    os.sync()
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
