#!/usr/bin/env python3
"""redis-server with an append-only file, and pipelined clients over TCP and a unix socket."""
import os
import socket
import subprocess

import service

DEPTH = 50


def ask(*words):
    text = b"*%d\r\n" % len(words)
    for word in words:
        text += b"$%d\r\n%s\r\n" % (len(word), word.encode())
    return text


class Counter(service.Client):
    """Increments a key of its own; every reply must be the next number."""

    def __init__(self, number, connection):
        super().__init__()
        self.key = f"key{number}"
        self.connection = connection
        self.replies = connection.makefile("rb")
        self.count = 0

    def step(self):
        self.connection.sendall(ask("INCR", self.key) * DEPTH)
        for _ in range(DEPTH):
            self.count += 1
            reply = self.replies.readline()
            assert reply == b":%d\r\n" % self.count, (reply, self.count)

    def finish(self):
        self.connection.sendall(ask("GET", self.key))
        text = str(self.count).encode()
        assert self.replies.readline() == b"$%d\r\n" % len(text)
        assert self.replies.readline() == text + b"\r\n"


class Keeper(service.Client):
    """Compares what is stored with what it has stored."""

    def __init__(self, connection):
        super().__init__()
        self.connection = connection
        self.replies = connection.makefile("rb")
        self.values = [os.urandom(500).hex() for _ in range(1000)]
        for number, value in enumerate(self.values):
            self.connection.sendall(ask("SET", f"value{number}", value))
            assert self.replies.readline() == b"+OK\r\n"

    def compare(self, number):
        self.connection.sendall(ask("GET", f"value{number}"))
        assert self.replies.readline() == b"$1000\r\n", number
        assert self.replies.read(1002) == self.values[number].encode() + b"\r\n", number

    def step(self):
        self.compare(self.steps % len(self.values))

    def finish(self):
        for number in range(len(self.values)):
            self.compare(number)


def connect_tcp():
    return socket.create_connection(("127.0.0.1", 6379))


def connect_unix(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def is_open(path):
    try:
        connect_unix(path).close()
    except OSError:
        return False
    return True


def work():
    data = service.private_directory()
    os.chdir(data)  # names of sockets are short
    log = os.path.join(data, "log")
    service.explain = lambda: f"\n{open(log, encoding='utf-8', errors='replace').read()}"
    server = subprocess.Popen(
        ["redis-server", "--port", "6379", "--unixsocket", "s", "--dir", data,
         "--appendonly", "yes", "--save", "", "--logfile", log])
    service.wait_until(lambda: service.is_listening(6379) and is_open("s"))
    service.serve([Counter(0, connect_tcp()), Counter(1, connect_tcp()),
                   Counter(2, connect_unix("s")), Keeper(connect_tcp())])
    server.terminate()
    assert server.wait(60) == 0, "redis-server failed"


service.main(work)
