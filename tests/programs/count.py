#!/usr/bin/env python3
"""Counts in four threads, appends to a file and talks to a subprocess, all the time; verifies that
nothing was lost, repeated or torn by a checkpoint and restore in the middle of it."""
import os
import subprocess
import sys
import threading
import time

DIR = os.environ["VICTIM_DIR"]
THREADS = 4


def announce(name, text):
    path = os.path.join(DIR, name)
    with open(path + ".draft", "w") as file:
        file.write(text)
    os.rename(path + ".draft", path)


class Counter(threading.Thread):
    """Passes a turn on to the next thread, so that every number is counted by one thread."""

    def __init__(self, number, shared):
        super().__init__()
        self.number = number
        self.shared = shared

    def run(self):
        shared = self.shared
        with shared.turn:
            while not shared.stop:
                if shared.count % THREADS == self.number:
                    shared.log.write(f"{shared.count}\n")
                    shared.log.flush()
                    shared.count += 1
                    shared.turn.notify_all()
                    time.sleep(0.001)
                else:
                    shared.turn.wait(1)
            shared.turn.notify_all()


class Shared:
    def __init__(self):
        self.turn = threading.Condition()
        self.count = 0
        self.stop = False
        self.log = open(os.path.join(DIR, "numbers"), "w")


def echo(child, text):
    child.stdin.write(text + "\n")
    child.stdin.flush()
    return child.stdout.readline().rstrip("\n")


def main():
    shared = Shared()
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    threads = [Counter(number, shared) for number in range(THREADS)]
    for thread in threads:
        thread.start()

    echoed = 0
    assert echo(child, "before") == "before"
    announce("ready", "")
    while not os.path.exists(os.path.join(DIR, "go")):
        assert echo(child, str(echoed)) == str(echoed), "the subprocess repeats or loses"
        echoed += 1
        time.sleep(0.002)

    before = shared.count
    time.sleep(0.2)
    assert shared.count > before, "the threads have stopped"
    with shared.turn:
        shared.stop = True
    for thread in threads:
        thread.join()
    child.stdin.close()
    assert child.wait() == 0, "the subprocess failed"
    shared.log.close()
    with open(os.path.join(DIR, "numbers")) as file:
        numbers = [int(line) for line in file]
    assert numbers == list(range(shared.count)), "numbers are missing, or there twice"


try:
    main()
except BaseException as error:  # pylint: disable=broad-except
    announce("result", f"count.py: {error!r}")
    sys.exit(1)
announce("result", "ok")
