#!/usr/bin/env python3
"""An echo server on epoll, and clients that talk to it without a pause, over connections that last
and over ones that are made anew; verifies that no byte was lost and no error seen by any of them,
however often it was saved and restored."""
import os
import random
import select
import socket
import threading
import time

DIR = os.environ["VICTIM_DIR"]
CLIENTS = 6
ADDRESS = ("127.0.0.1", 7007)


def announce(name, text):
    path = os.path.join(DIR, name)
    with open(path + ".draft", "w") as file:
        file.write(text)
    os.rename(path + ".draft", path)


class Server(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(ADDRESS, backlog=64)
        self.listener.setblocking(False)
        self.epoll = select.epoll()
        self.epoll.register(self.listener, select.EPOLLIN)
        self.peers = {}

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except BlockingIOError:
                return
            peer.setblocking(False)
            self.peers[peer.fileno()] = [peer, bytearray()]
            self.epoll.register(peer, select.EPOLLIN)

    def serve(self, number):
        peer, unsent = self.peers[number]
        try:
            data = peer.recv(100000)
            if not data and not unsent:
                del self.peers[number]
                peer.close()
                return
            unsent += data
        except BlockingIOError:
            pass
        try:
            while unsent:
                del unsent[: peer.send(unsent)]
        except BlockingIOError:
            pass
        # A reader that is slow is not read from.
        self.epoll.modify(peer, select.EPOLLOUT if len(unsent) > 500000 else
                          select.EPOLLIN | (select.EPOLLOUT if unsent else 0))

    def run(self):
        try:
            while True:
                for number, _ in self.epoll.poll():
                    if number == self.listener.fileno():
                        self.accept()
                    else:
                        self.serve(number)
        except BaseException as error:  # pylint: disable=broad-except
            announce("result", f"echo.py: server: {error!r}")
            os._exit(1)


def receive(connection, count):
    parts = []
    while count > 0:
        part = connection.recv(min(count, 65536))
        assert part, "the connection ended"
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class Client(threading.Thread):
    def __init__(self, number):
        super().__init__()
        self.random = random.Random(number)
        self.stays = number % 2 == 0
        self.stop = False
        self.rounds = 0

    def talk(self, connection):
        data = self.random.randbytes(self.random.choice([1, 100, 5000, 200000]))
        connection.sendall(data)
        assert receive(connection, len(data)) == data, "other bytes came back"
        self.rounds += 1

    def work(self):
        if self.stays:
            with socket.create_connection(ADDRESS) as connection:
                while not self.stop:
                    self.talk(connection)
            return
        while not self.stop:
            with socket.create_connection(ADDRESS) as connection:
                for _ in range(5):
                    self.talk(connection)

    def run(self):
        try:
            self.work()
        except BaseException as error:  # pylint: disable=broad-except
            announce("result", f"echo.py: client: {error!r}")
            os._exit(1)


def main():
    Server().start()
    clients = [Client(number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    while not all(client.rounds for client in clients):
        time.sleep(0.01)
    announce("ready", "")
    while not os.path.exists(os.path.join(DIR, "go")):
        time.sleep(0.01)
    before = [client.rounds for client in clients]
    while not all(client.rounds > old for client, old in zip(clients, before)):
        time.sleep(0.01)
    for client in clients:
        client.stop = True
    for client in clients:
        client.join()


try:
    main()
except BaseException as error:  # pylint: disable=broad-except
    announce("result", f"echo.py: {error!r}")
    os._exit(1)
announce("result", "ok")
