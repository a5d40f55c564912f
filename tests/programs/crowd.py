#!/usr/bin/env python3
"""crowd.py SEED VICTIM...: a random third of the victims, all alive in one container. Each has a
session and a directory of its own, and verifies itself; CROWD tells it that it is not alone."""
import os
import random
import subprocess
import sys
import time

DIR = os.environ["VICTIM_DIR"]


def announce(name, text):
    path = os.path.join(DIR, name)
    with open(path + ".draft", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".draft", path)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class Member:
    def __init__(self, program):
        self.name = os.path.basename(program)
        self.dir = os.path.join(DIR, self.name)
        os.mkdir(self.dir)
        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen([program], env={**os.environ, "VICTIM_DIR": self.dir, "CROWD": "1"},
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def has(self, name):
        return os.path.exists(self.path(name))

    def wait(self, *names):
        while not any(self.has(name) for name in names):
            if self.process.poll() is not None and not any(self.has(name) for name in names):
                raise RuntimeError(f"{self.name} has ended: {read(self.path('log'))}")
            time.sleep(0.01)
        if self.has("result") and read(self.path("result")) != "ok":
            raise RuntimeError(f"{self.name}: {read(self.path('result'))}")


def main():
    programs = sorted(sys.argv[2:])
    chosen = random.Random(sys.argv[1]).sample(programs, (len(programs) + 2) // 3)
    print("victims:", *(os.path.basename(program) for program in chosen), flush=True)
    members = [Member(program) for program in chosen]
    for member in members:
        member.wait("ready", "result")
        assert member.has("ready"), f"{member.name} does not wait"
    announce("ready", "")
    while not os.path.exists(os.path.join(DIR, "go")):
        time.sleep(0.01)
    for member in members:
        with open(member.path("go"), "wb"):
            pass
        member.wait("result")
        member.process.wait()


try:
    main()
except BaseException as error:  # pylint: disable=broad-except
    announce("result", f"crowd.py {sys.argv[1]}: {error}")
    sys.exit(1)
announce("result", "ok")
