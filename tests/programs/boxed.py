"""In a sandbox made by bubblewrap: counts, and looks around. Started by the test as
bwrap ... python3 boxed.py; waits like a victim."""
import os
import socket
import subprocess
import sys
import time

DIR = os.environ["VICTIM_DIR"]


def look():
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "pids": pids,
        "host": socket.gethostname(),
        "ids": (os.getuid(), os.getgid()),
        "uid_map": open("/proc/self/uid_map").read().split(),
        "cwd": os.getcwd(),
        "devices": sorted(os.listdir("/dev")),
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "mounts": sorted(line.split()[4] for line in open("/proc/self/mountinfo")),
        "comm": open("/proc/1/comm").read(),
    }


def verify(before):
    now = look()
    for key, value in before.items():
        if now[key] != value:
            return f"{key}: {value} before, {now[key]} now"
    out = subprocess.run(["/bin/echo", "hello"], stdout=subprocess.PIPE, check=True)
    if out.stdout != b"hello\n":
        return "no child runs"
    return "ok"


def main():
    before = look()
    with open(f"{DIR}/ready", "w", encoding="ascii"):
        pass
    while not os.path.exists(f"{DIR}/go"):
        time.sleep(0.01)
    with open(f"{DIR}/result.draft", "w", encoding="ascii") as file:
        file.write(verify(before))
    os.rename(f"{DIR}/result.draft", f"{DIR}/result")
    return 0


sys.exit(main())
