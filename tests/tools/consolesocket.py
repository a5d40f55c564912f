#!/usr/bin/env python3
"""Takes a terminal that comes over a socket, as runtimes send them: consolesocket.py SOCKET STEP...
-- COMMAND... COMMAND is run when the socket is there; then the steps of onterminal.py are done on
the terminal. Prints its name, then what is on its screen until it hangs up; ends as COMMAND does."""
import os
import socket
import subprocess
import sys

from onterminal import LIMIT, Terminal


class Received(Terminal):
    def __init__(self, fd):
        self.screen = b""
        self.seen = 0
        self.begin = None
        self.fd = fd


def main(path, arguments):
    at = arguments.index("--")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(LIMIT)
        status = subprocess.run(arguments[at + 1:], check=False, stdin=subprocess.DEVNULL).returncode
        if status:
            return status
        connection = listener.accept()[0]
    with connection:
        name, fds, _, _ = socket.recv_fds(connection, 64, 1)
    print(name.decode())
    terminal = Received(fds[0])
    for step in arguments[:at]:
        name, _, text = step.partition(":")
        getattr(terminal, name)(text)
    while terminal.take(LIMIT):
        pass
    sys.stdout.flush()
    sys.stdout.buffer.write(terminal.screen)
    os.unlink(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
