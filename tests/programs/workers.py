#!/usr/bin/env python3
"""Python's multiprocessing at work: pipes that are unix sockets, a manager that listens on one, new
connections with it all the time; verifies that every question had its answer, once."""
import multiprocessing
import os
import sys
import threading
import time

DIR = os.environ["VICTIM_DIR"]
WORKERS = 2


def announce(name, text):
    path = os.path.join(DIR, name)
    with open(path + ".draft", "w") as file:
        file.write(text)
    os.rename(path + ".draft", path)


def has_ended():
    return os.path.exists(os.path.join(DIR, "go"))


def answer(pipe, shared, lock):
    """Squares what it is told, and counts with all others."""
    while (number := pipe.recv()) is not None:
        with lock:
            shared["count"] = shared["count"] + 1
        pipe.send((number, number * number, b"x" * (number * 37 % 5000)))


def ask(pipe, counts, own, failures):
    number = 0
    try:
        while not (has_ended() and number > 50):
            pipe.send(number)
            same, square, padding = pipe.recv()
            assert (same, square) == (number, number * number), "a wrong answer"
            assert len(padding) == number * 37 % 5000, "an answer is torn"
            number += 1
            if number == 5:
                announce(f"works.{own}", "")
        pipe.send(None)
    except Exception as error:  # pylint: disable=broad-except
        failures.append(error)
    counts[own] = number


def main():
    with multiprocessing.Manager() as manager:
        shared = manager.dict(count=0)
        lock = manager.Lock()
        queue = multiprocessing.Queue()
        counts, failures, threads, workers = {}, [], [], []
        for own in range(WORKERS):
            ours, theirs = multiprocessing.Pipe()
            workers.append(multiprocessing.Process(target=answer, args=(theirs, shared, lock)))
            workers[-1].start()
            threads.append(threading.Thread(target=ask, args=(ours, counts, own, failures)))
            threads[-1].start()
        while not all(os.path.exists(os.path.join(DIR, f"works.{i}")) for i in range(WORKERS)):
            assert not failures, f"{failures}"
            time.sleep(0.01)
        queue.put("in the queue")
        announce("ready", "")
        for thread in threads:
            thread.join()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0, f"a worker ended with {worker.exitcode}"
        assert not failures, f"{failures}"
        assert shared["count"] == sum(counts.values()), "the manager has lost count"
        assert queue.get(timeout=20) == "in the queue"


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:  # pylint: disable=broad-except
        announce("result", f"workers.py: {error!r}")
        sys.exit(1)
    announce("result", "ok")
