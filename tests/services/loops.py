#!/usr/bin/env python3
"""asyncio servers and clients over TCP and unix sockets, and a pool of processes with queues, pipes
and shared memory, all at work."""
import asyncio
import hashlib
import multiprocessing
import os
import threading
from multiprocessing import shared_memory

import service

PORT = 7777


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


class Loop(threading.Thread):
    """An event loop with servers; one connection keeps several lines in flight."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.steps = {"tcp": 0, "unix": 0, "timer": 0}

    async def talk(self, name, reader, writer):
        sent = 0
        while True:
            while sent < self.steps[name] + 20:
                writer.write(b"%d %s\n" % (sent, b"x" * (sent % 5000)))
                sent += 1
            line = await reader.readline()
            number = self.steps[name]
            assert line == b"%d %s\n" % (number, b"x" * (number % 5000)), (name, line, number)
            self.steps[name] += 1

    async def tick(self):
        while True:
            await asyncio.sleep(0.003)
            self.steps["timer"] += 1

    async def work(self):
        await asyncio.start_server(echo, "127.0.0.1", PORT)
        await asyncio.start_unix_server(echo, self.path)
        await asyncio.gather(
            self.talk("tcp", *await asyncio.open_connection("127.0.0.1", PORT)),
            self.talk("unix", *await asyncio.open_unix_connection(self.path)), self.tick())

    def run(self):
        try:
            asyncio.run(self.work())
        except BaseException as error:  # pylint: disable=broad-except
            service.end(f"loops.py: {error!r}")


def digest(text):
    return hashlib.sha256(text).hexdigest()


def add(name, lock, numbers, results):
    """A worker: adds to shared memory, under a lock, what it takes from a queue."""
    memory = shared_memory.SharedMemory(name)
    while (number := numbers.get()) is not None:
        with lock:
            total = int.from_bytes(memory.buf[:8], "little") + number
            memory.buf[:8] = total.to_bytes(8, "little")
        results.put(number)
    memory.close()


class Pool(service.Client):
    def __init__(self, pool):
        super().__init__()
        self.pool = pool

    def step(self):
        texts = [b"%d-%d" % (self.steps, i) * 100 for i in range(20)]
        assert self.pool.map(digest, texts) == [digest(text) for text in texts]


class Adder(service.Client):
    def __init__(self):
        super().__init__()
        self.memory = shared_memory.SharedMemory(create=True, size=4096)
        self.numbers, self.results = multiprocessing.Queue(), multiprocessing.Queue()
        lock = multiprocessing.Lock()
        self.workers = [multiprocessing.Process(
            target=add, args=(self.memory.name, lock, self.numbers, self.results), daemon=True)
            for _ in range(2)]
        for worker in self.workers:
            worker.start()
        self.total = 0

    def step(self):
        for number in range(10):
            self.numbers.put(number)
            self.total += number
        assert sorted(self.results.get() for _ in range(10)) == list(range(10))
        assert int.from_bytes(self.memory.buf[:8], "little") == self.total

    def finish(self):
        for _ in self.workers:
            self.numbers.put(None)
        for worker in self.workers:
            worker.join()
            assert worker.exitcode == 0
        self.memory.close()
        self.memory.unlink()


def work():
    data = service.private_directory()
    os.chdir(data)  # names of sockets are short
    clients = [Pool(multiprocessing.Pool(2)), Adder()]
    loop = Loop("s")
    loop.start()
    service.wait_until(lambda: min(loop.steps.values()) > 3)

    class Watch(service.Client):
        """The loop goes on, too."""

        def step(self):
            before = dict(loop.steps)
            service.wait_until(lambda: all(loop.steps[k] > before[k] for k in before), 120)

    service.serve([*clients, Watch()])


service.main(work)
