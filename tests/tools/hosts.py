#!/usr/bin/env python3
"""Two hosts of an ordinary user's, for what goes from one to the other.

unshare --user --map-current-user --keep-caps --net --mount \\
        hosts.py NAME=DIR... -- HERE... -- THERE...

Each has a network of its own, with a cable between them and no other way; THERE has a root directory
of its own, too: what is in /usr, /proc and the like is as it was, and each DIR is /NAME. HERE is
executed here, its standard output a connection to the other host, where that is the standard input
of THERE. Neither has a capability."""
import ctypes
import os
import socket
import subprocess
import sys

LIMIT = 60
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
SYS_PIVOT_ROOT, MNT_DETACH = 155, 2
ADDRESS, PORT = "10.99.0.2", 7000
PLAIN = ["setpriv", "--ambient-caps=-all", "--inh-caps=-all", "--bounding-set=-all",
         "--no-new-privs", "--"]
libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def run(*command):
    subprocess.run(command, check=True, timeout=LIMIT)


def mount(source, target, kind, flags):
    check(libc.mount(source.encode(), target.encode(), kind and kind.encode(), flags, None))


def change_root(places):
    """Everything that is not named is out of sight."""
    root = "/tmp"
    keep = {name: os.open(path, os.O_PATH) for name, path in places}
    mount("none", root, "tmpfs", 0)
    for name in ("usr", "bin", "lib", "lib32", "lib64", "etc", "proc", "dev", "sys"):
        if os.path.islink("/" + name):
            os.symlink(os.readlink("/" + name), f"{root}/{name}")
        elif os.path.isdir("/" + name):
            os.mkdir(f"{root}/{name}")
            mount("/" + name, f"{root}/{name}", None, MS_BIND | MS_REC)
    for name, fd in keep.items():
        os.mkdir(f"{root}/{name}")
        mount(f"/proc/self/fd/{fd}", f"{root}/{name}", None, MS_BIND | MS_REC)
        os.close(fd)
    os.mkdir(root + "/tmp", 0o1777)
    os.chdir(root)
    check(libc.syscall(SYS_PIVOT_ROOT, b".", b"."))
    check(libc.umount2(b".", MNT_DETACH))
    os.chdir("/")


def be_there(told, tell, places, command):
    check(libc.unshare(CLONE_NEWNET | CLONE_NEWNS))
    os.write(tell, b"x")
    os.read(told, 1)
    run("ip", "addr", "add", ADDRESS + "/24", "dev", "there")
    run("ip", "link", "set", "there", "up")
    server = socket.create_server((ADDRESS, PORT))
    server.settimeout(LIMIT)
    change_root(places)
    os.write(tell, b"x")
    connection = server.accept()[0]
    connection.setblocking(True)
    return subprocess.run(PLAIN + command, stdin=connection, timeout=LIMIT, check=False).returncode


def split(words):
    at = words.index("--")
    return words[:at], words[at + 1:]


def main():
    places, rest = split(sys.argv[1:])
    here, there = split(rest)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    told, tell = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os._exit(be_there(told[0], tell[1], [p.split("=", 1) for p in places], there))
    os.close(tell[1])
    if os.read(tell[0], 1) != b"x":
        return 1
    run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(child))
    run("ip", "addr", "add", "10.99.0.1/24", "dev", "here")
    run("ip", "link", "set", "here", "up")
    os.write(told[1], b"x")
    if os.read(tell[0], 1) != b"x":
        return 1
    connection = socket.create_connection((ADDRESS, PORT), LIMIT)
    connection.setblocking(True)
    status = subprocess.run(PLAIN + here, stdout=connection, timeout=LIMIT, check=False).returncode
    connection.close()
    theirs = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status or theirs


sys.exit(main())
