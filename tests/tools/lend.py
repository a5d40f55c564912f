#!/usr/bin/env python3
"""Gives a descriptor to a command: lend.py KIND COMMAND...

COMMAND gets it as descriptor 9. KIND is unix (a pair of sockets: another process has the other end,
answers "hello" with "world", and then says so in $VICTIM_DIR/answered), raw (a socket of another
network, that only the owner of that could make) or eventfd (whose counter is 7)."""
import ctypes
import os
import socket
import sys

LIMIT = 60
NUMBER = 9
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def answer(connection):
    connection.settimeout(LIMIT)
    if connection.recv(5) == b"hello":
        connection.sendall(b"world")
        with open(os.path.join(os.environ["VICTIM_DIR"], "answered"), "w", encoding="ascii"):
            pass


def lend_raw(connection):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    socket.send_fds(connection, [b"raw"], [raw.fileno()])


def in_child(work, other):
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        null = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(null, standard)
        os.closerange(3, theirs.fileno())
        os.closerange(theirs.fileno() + 1, 256)
        work(theirs)
        os._exit(0)
    theirs.close()
    return other(ours, pid)


def take_raw(connection, pid):
    connection.settimeout(LIMIT)
    fd = socket.recv_fds(connection, 16, 1)[1][0]
    os.waitpid(pid, 0)
    return fd


def main(kind, command):
    if kind == "unix":
        fd = in_child(answer, lambda ours, pid: ours.detach())
    elif kind == "raw":
        fd = in_child(lend_raw, take_raw)
    else:
        fd = os.eventfd(7)
    os.dup2(fd, NUMBER, inheritable=True)
    os.execvp(command[0], command)


main(sys.argv[1], sys.argv[2:])
