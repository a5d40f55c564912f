#!/usr/bin/env python3
"""Gives descriptors to others, and is at their other ends.

lend.py KIND... COMMAND... -- executes COMMAND, which gets them as descriptors 9, 10, ...
lend.py KIND... send DOOR  -- sends them to who listens at DOOR, and keeps the other ends until there
                              is a file $VICTIM_DIR/saved

KIND is
  unix      one of a pair of sockets; the other end answers "hello" with "world", and then says so in
            $VICTIM_DIR/answered
  alone     a unix socket that is not connected
  pipe      the end to read from of a pipe with "news" in it
  terminal  a terminal
  udp       a socket of this network
  raw       a socket of a network that only its owner could make
  eventfd   a counter, of 7
  hidden    a file in a file system that nobody else sees
  device    one that ctckpt does not know
"""
import array
import ctypes
import os
import socket
import sys
import time

LIMIT = 60
FIRST = 9
CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS = 0x10000000, 0x40000000, 0x00020000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
DEVICES = ["/dev/autofs", "/dev/kmsg", "/dev/fuse", "/dev/net/tun", "/dev/kvm"]


def state_file(name):
    return os.path.join(os.environ["VICTIM_DIR"], name)


def answer(connection):
    connection.settimeout(LIMIT)
    if connection.recv(5) == b"hello":
        connection.sendall(b"world")
        with open(state_file("answered"), "w", encoding="ascii"):
            pass


def call(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def make_raw():
    call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).detach()


def make_hidden():
    texts = {"uid_map": f"0 {os.getuid()} 1", "setgroups": "deny", "gid_map": f"0 {os.getgid()} 1"}
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    for name, text in texts.items():
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
    return os.open("/tmp/hidden", os.O_RDWR | os.O_CREAT, 0o600)


def take(maker):
    """What a child makes that leaves our namespaces."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        socket.send_fds(theirs, [b"x"], [maker()])
        os._exit(0)
    theirs.close()
    ours.settimeout(LIMIT)
    fd = socket.recv_fds(ours, 16, 1)[1][0]
    os.waitpid(pid, 0)
    return fd


def open_device():
    for path in DEVICES:
        try:
            return os.open(path, os.O_RDONLY)
        except OSError:
            pass
    raise FileNotFoundError("no device")


def make(kind):
    """The descriptor to be given, and the other end, if it has one."""
    if kind == "unix":
        ours, theirs = socket.socketpair()
        return theirs.detach(), ours
    if kind == "alone":
        return socket.socket(socket.AF_UNIX).detach(), None
    if kind == "pipe":
        ends = os.pipe()
        os.write(ends[1], b"news")
        return ends
    if kind == "terminal":
        master, slave = os.openpty()
        return slave, master
    if kind == "udp":
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach(), None
    if kind == "raw":
        return take(make_raw), None
    if kind == "hidden":
        return take(make_hidden), None
    if kind == "eventfd":
        return os.eventfd(7), None
    return open_device(), None


def send(path, fds):
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(LIMIT)
        door.connect(path)
        door.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        door.recv(1)
    for fd in fds:
        os.close(fd)
    until = time.monotonic() + LIMIT
    while time.monotonic() < until and not os.path.exists(state_file("saved")):
        time.sleep(0.01)


def be_at_the_other_end(fds, others):
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    for fd in fds:
        os.close(fd)
    for other in others:
        if isinstance(other, socket.socket):
            answer(other)
    os._exit(0)


def main(words):
    fds, others = [], []
    while words[0] in ("unix", "alone", "pipe", "terminal", "udp", "raw", "eventfd", "hidden",
                       "device"):
        fd, other = make(words.pop(0))
        fds.append(fd)
        others.append(other)
    if words[0] == "send":
        send(words[1], fds)
        return
    # Out of the way of the numbers that they get.
    fds = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
    if any(others) and os.fork() == 0:
        be_at_the_other_end(fds, others)
    for i, fd in enumerate(fds):
        os.dup2(fd, FIRST + i, inheritable=True)
        os.set_inheritable(fd, False)
    os.execvp(words[0], words)


main(sys.argv[1:])
