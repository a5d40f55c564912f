"""bench.py DIR: times checkpoints and restores, beside what the machine can do at all.

DIR holds ctckpt, baseline, load and await. Times are medians, in milliseconds. A ratio is the time
divided by that of the machine doing the bare minimum: writing as much memory to a file of the same
file system, reading it to fresh memory of the same page size, making as many processes or threads;
of a hook, executing /bin/true.
"""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

BASELINE_MIB = 1024
NAME = "bench"


class Bench:
    def __init__(self, folder, runs):
        self.folder, self.runs = folder, runs
        self.ctckpt = os.path.join(folder, "ctckpt")
        self.image = os.path.abspath("image")
        self.base = {}

    def measure_machine(self):
        text = subprocess.run(
            [os.path.join(self.folder, "baseline"), str(BASELINE_MIB), str(self.runs), os.getcwd()],
            check=True, capture_output=True, text=True).stdout
        self.base = {name: float(us) for name, us in (line.split() for line in text.splitlines())}

    def call(self, *words):
        """The command's JSON, and the time that it took on the wall, in microseconds."""
        start = time.monotonic()
        done = subprocess.run([self.ctckpt, *words], stdout=subprocess.PIPE, check=True)
        took = (time.monotonic() - start) * 1e6
        return json.loads(done.stdout) if "--json" in words else None, took

    def await_end(self, *words):
        subprocess.run([os.path.join(self.folder, "await"), *words], check=True)

    def run_once(self, command):
        shutil.rmtree("victim", ignore_errors=True)
        os.mkdir("victim")
        os.environ["VICTIM_DIR"] = os.path.abspath("victim")
        self.call("run", "--detach", "--name", NAME, "--log", "victim/log", "--", *command)
        self.await_end("victim/ready")
        saved, save_wall = self.call("checkpoint", NAME, "-o", self.image, "--json")
        restored, restore_wall = self.call("restore", "--detach", "--json", self.image)
        os.kill(restored["pid"], 9)
        self.await_end("-p", str(restored["pid"]))
        os.unlink(self.image)
        return save_wall, saved["frozen_time"], restore_wall, restored["restore_time"]

    def run_case(self, command):
        self.run_once(command)
        rows = [self.run_once(command) for _ in range(self.runs)]
        return [statistics.median(column) for column in zip(*rows)]


    # What engines wait for whenever they start a container, beside a program that does nothing.

    def spawn(self, words, text=b""):
        start = time.monotonic()
        subprocess.run(words, input=text, check=True, stdout=subprocess.DEVNULL)
        return (time.monotonic() - start) * 1e6

    def hook(self, stage, state):
        return self.spawn([self.ctckpt, "oci-hook", "--below", "/", stage], state)

    def run_hooks(self):
        os.mkdir("bundle")
        subprocess.run(["runc", "spec", "--rootless", "--bundle", "bundle"], check=True)
        self.call("run", "--detach", "--name", NAME, "--", "sleep", "1000000")
        listed, _ = self.call("ps", "--json")
        pid = next(row["pid"] for row in listed if row["name"] == NAME)
        state = json.dumps({
            "ociVersion": "1.0.2", "id": "hooked", "status": "running", "pid": pid,
            "bundle": os.path.abspath("bundle"),
            "annotations": {"org.ctckpt.name": "hooked", "org.ctckpt.auto": "every:1h",
                            "org.ctckpt.images": os.path.abspath("images")}}).encode()
        rows = []
        for _ in range(4 * self.runs + 1):
            rows.append([self.spawn(["/bin/true"]), self.hook("createRuntime", state),
                         self.hook("poststart", state), self.hook("poststop", state)])
        os.kill(pid, 9)
        self.await_end("-p", str(pid))
        if os.path.exists("ctckpt/hooks.log"):
            raise RuntimeError(open("ctckpt/hooks.log").read())
        return [statistics.median(column) for column in zip(*rows[1:])]


def available_mib():
    with open("/proc/meminfo") as file:
        return int(re.search(r"MemAvailable:\s+(\d+)", file.read())[1]) // 1024


def cases(bench):
    """Name, MiB that must be free, command, least time of a checkpoint and of a restore."""
    base, load = bench.base, os.path.join(bench.folder, "load")
    for mib in (64, 1024, 4096):
        part = mib / BASELINE_MIB
        yield (f"{mib} MiB, 4K pages", mib * 5 // 2, [load, "memory", str(mib)],
               base["write"] * part, base["read"] * part)
        yield (f"{mib} MiB, huge pages", mib * 5 // 2, [load, "huge", str(mib)],
               base["write"] * part, base["read_huge"] * part)
    yield "500 processes", 256, [load, "processes", "500"], None, base["process"] * 500
    yield "500 threads", 64, [load, "threads", "500"], None, base["thread"] * 500
    idle = "import os, time; open(os.environ['VICTIM_DIR'] + '/ready', 'w'); time.sleep(1e6)"
    yield "an idle python3", 64, [shutil.which("python3"), "-c", idle], None, None


def show(value, least):
    ratio = f"{value / least:6.2f}" if least else "     -"
    return f"{value / 1000:10.2f} {ratio}"


def main():
    bench = Bench(sys.argv[1], max(1, int(os.environ["BENCH_RUNS"])))
    wanted = os.environ["BENCH_CASES"]
    bench.measure_machine()
    print(f"{'the machine':22} {'ms':>10}")
    for name, us in bench.base.items():
        what = {"write": "write 1 GiB", "read": "read 1 GiB, 4K", "read_huge": "read 1 GiB, huge",
                "fork": "fork with 1 GiB", "process": "a process", "thread": "a thread"}[name]
        print(f"{what:22} {us / 1000:10.3f}")
    print(f"\n{'':22} {'checkpoint':>10} ratio  {'frozen':>10} ratio  "
          f"{'restore':>10} ratio  {'inside':>10} ratio")
    for name, mib, command, least_save, least_restore in cases(bench):
        if not re.search(wanted, name):
            continue
        if available_mib() < mib:
            print(f"{name:22} needs {mib} MiB of free memory")
            continue
        save, frozen, restore, inside = bench.run_case(command)
        print(f"{name:22} {show(save, least_save)} {show(frozen, least_save)} "
              f"{show(restore, least_restore)} {show(inside, least_restore)}", flush=True)
    if re.search(wanted, "hooks") and shutil.which("runc"):
        nothing, *stages = bench.run_hooks()
        print(f"\n{'a hook':22} {'ms':>10} ratio")
        print(f"{'/bin/true':22} {show(nothing, nothing)}")
        for name, took in zip(("createRuntime", "poststart", "poststop"), stages):
            print(f"{name:22} {show(took, nothing)}")


main()
