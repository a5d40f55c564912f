#!/usr/bin/env python3
"""tmux with vim in it: somebody types all the time, sees each line on the screen, and saves."""
import os
import subprocess

import service


class Typist(service.Client):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-S", "s", "-f", "/dev/null", *words], text=True, check=True,
                              stdout=subprocess.PIPE, timeout=120)
        return done.stdout

    def screen(self):
        return self.tmux("capture-pane", "-p").splitlines()

    def start(self):
        self.tmux("new-session", "-d", "-x", "80", "-y", "24",
                  f"vim.tiny -u NONE -n -c 'set showmode' -c startinsert {self.path}")
        service.wait_until(lambda: any("INSERT" in line for line in self.screen()))
        super().start()

    def step(self):
        line = f"line {self.steps} of {os.getpid()}"
        self.tmux("send-keys", "-l", line)
        service.wait_until(lambda: line in self.screen(), 120)
        self.tmux("send-keys", "Enter")

    def finish(self):
        self.tmux("send-keys", "Escape")
        self.tmux("send-keys", "-l", ":wq")
        self.tmux("send-keys", "Enter")
        # The server ends with its last session, and vim once the file is whole.
        service.wait_until(lambda: subprocess.run(
            ["tmux", "-S", "s", "has-session"], stderr=subprocess.DEVNULL, check=False).returncode, 120)
        with open(self.path, encoding="utf-8") as file:
            lines = file.read().split("\n")
        assert lines[:self.steps] == [f"line {n} of {os.getpid()}" for n in range(self.steps)], lines


def work():
    os.chdir(service.private_directory())
    os.environ["TERM"] = "xterm"
    os.environ["LANG"] = "C.UTF-8"
    service.serve([Typist(os.path.abspath("text"))])


service.main(work)
