#!/usr/bin/env python3
"""Runs a command on a terminal, as its user would: onterminal.py STEP... -- COMMAND...

size:ROWS,COLUMNS   the window; before the first other step, it starts with this size
expect:TEXT         until that is on the screen, behind what was expected before
send:TEXT           types it; \\r, \\x03 and the like mean what they mean in C
touch:FILE          creates it
run:COMMAND         a shell command elsewhere, which must succeed
raw:                waits until the command has made the terminal raw
hangup:             the terminal goes away
Prints what is on the screen; ends as the command does."""
import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

LIMIT = 60


class Terminal:
    def __init__(self, command):
        self.screen = b""
        self.seen = 0
        start, begin = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.close(begin)
            os.read(start, 1)
            os.execvp(command[0], command)
        os.close(start)
        self.begin = begin

    def go(self):
        if self.begin is not None:
            os.close(self.begin)
            self.begin = None

    def take(self, timeout):
        """More of the screen; False at the end."""
        if not select.select([self.fd], [], [], timeout)[0]:
            raise TimeoutError
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return False
        self.screen += data
        return bool(data)

    def size(self, text):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *map(int, text.split(",")), 0, 0))

    def expect(self, text):
        end = time.monotonic() + LIMIT
        while (at := self.screen.find(text.encode(), self.seen)) < 0:
            try:
                if not self.take(max(0.0, end - time.monotonic())):
                    raise TimeoutError
            except TimeoutError:
                sys.exit(f"no {text!r} in {self.screen[self.seen:]!r}")
        self.seen = at + len(text.encode())

    def send(self, text):
        os.write(self.fd, text.encode().decode("unicode_escape").encode("latin-1"))

    def touch(self, path):
        pathlib.Path(path).touch()

    def run(self, command):
        subprocess.run(command, shell=True, check=True, stdin=subprocess.DEVNULL, timeout=LIMIT)

    def raw(self, _):
        while termios.tcgetattr(self.fd)[3] & termios.ICANON:
            time.sleep(0.01)

    def hangup(self, _):
        os.close(self.fd)
        self.fd = None

    def end(self):
        try:
            while self.fd is not None and self.take(LIMIT):
                pass
        except TimeoutError:
            sys.exit(f"no end behind {self.screen[self.seen:]!r}")
        sys.stdout.buffer.write(self.screen)
        sys.stdout.flush()
        status = os.waitpid(self.pid, 0)[1]
        return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def main(arguments):
    at = arguments.index("--")
    terminal = Terminal(arguments[at + 1:])
    signal.alarm(3 * LIMIT)
    for step in arguments[:at]:
        name, _, text = step.partition(":")
        if name != "size":
            terminal.go()
        getattr(terminal, name)(text)
    terminal.go()
    return terminal.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
