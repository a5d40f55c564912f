#!/usr/bin/env python3
"""Two hosts: network namespaces joined by a veth pair, a server in one and its clients in the other,
over IPv4 and IPv6, TCP and UDP. The container's own namespace is a third one, with the bridge."""
import os
import socket
import subprocess
import threading

import service

PORT = 7000
CLONE_NEWNET = 0x40000000


def ip(*words, pid=None):
    enter = ["nsenter", "--net", "--target", str(pid)] if pid else []
    subprocess.run([*enter, "ip", *words], check=True)


def serve_tcp(family, address):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, PORT))
    listener.listen()
    while True:
        peer = listener.accept()[0]
        threading.Thread(target=echo, args=(peer,), daemon=True).start()


def echo(peer):
    while data := peer.recv(65536):
        peer.sendall(data)


def serve_udp(server):
    while True:
        data, sender = server.recvfrom(65536)
        server.sendto(data, sender)


class Stream(service.Client):
    def __init__(self, family, address):
        super().__init__()
        self.connection = socket.socket(family)
        self.connection.connect((address, PORT))

    def step(self):
        data = b"%d;" % self.steps * 10000
        writer = threading.Thread(target=self.connection.sendall, args=(data,))
        writer.start()
        got = b""
        while len(got) < len(data):
            part = self.connection.recv(65536)
            assert part, "the server has hung up"
            got += part
        writer.join()
        assert got == data


class Packets(service.Client):
    """A packet may be lost, but none comes twice or wrong."""

    def __init__(self, address):
        super().__init__()
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.settimeout(1)
        self.socket.connect((address, PORT))

    def step(self):
        data = b"packet %d" % self.steps
        while True:
            try:
                self.socket.send(data)
                got = self.socket.recv(100)
            except TimeoutError:
                continue
            if got == data:
                return
            # The answer to one that was sent again.
            assert got == b"packet %d" % (self.steps - 1), got


def start_host(number):
    """A child in a network namespace of its own, connected to the bridge."""
    ready, told = os.pipe()
    wait, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            run_host(number, told, wait)
        except BaseException as error:  # pylint: disable=broad-except
            service.end(f"hosts.py: host {number}: {error!r}")
    os.read(ready, 1)
    name = f"host{number}"
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(child))
    ip("link", "set", name, "master", "bridge0", "up")
    ip("link", "set", "lo", "up", pid=child)
    ip("address", "add", f"10.1.0.{number}/24", "dev", "eth0", pid=child)
    ip("address", "add", f"fd01::{number}/64", "dev", "eth0", "nodad", pid=child)
    ip("link", "set", "eth0", "up", pid=child)
    os.write(tell, b"x")
    return child, ready, tell


def unshare_net():
    import ctypes  # pylint: disable=import-outside-toplevel
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def run_host(number, told, wait):
    unshare_net()
    os.write(told, b"x")
    os.read(wait, 1)
    server = socket.socket(type=socket.SOCK_DGRAM)
    server.bind((f"10.1.0.{number}", PORT))
    threading.Thread(target=serve_udp, args=(server,), daemon=True).start()
    for family, address in ((socket.AF_INET, f"10.1.0.{number}"), (socket.AF_INET6, f"fd01::{number}")):
        threading.Thread(target=serve_tcp, args=(family, address), daemon=True).start()
    other = 3 - number
    service.wait_until(lambda: service.is_listening(PORT, f"10.1.0.{other}"))
    service.wait_until(lambda: can_connect6(f"fd01::{other}"))
    clients = [Stream(socket.AF_INET, f"10.1.0.{other}"), Stream(socket.AF_INET6, f"fd01::{other}"),
               Packets(f"10.1.0.{other}")]
    service.serve(clients)
    # The other one may still be at work.
    os.write(told, b"x")
    os.read(wait, 1)
    os._exit(0)


def can_connect6(address):
    with socket.socket(socket.AF_INET6) as probe:
        return probe.connect_ex((address, PORT)) == 0


def work():
    ip("link", "add", "bridge0", "type", "bridge")
    ip("link", "set", "bridge0", "up")
    hosts = [start_host(number) for number in (1, 2)]
    for _, ready, _ in hosts:
        assert os.read(ready, 1) == b"x"
    for child, _, tell in hosts:
        os.write(tell, b"x")
        assert os.waitpid(child, 0)[1] == 0, "a host failed"


service.main(work)
