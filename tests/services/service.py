"""What the services share: a server and its clients in one container, all at work while they are
saved and restored. A client that meets an error ends the service as failed."""
import os
import socket
import sys
import threading
import time

DIR = os.environ["VICTIM_DIR"]


def announce(name, text):
    """The file appears whole. The first of a name stays."""
    draft = os.path.join(DIR, f"{name}.{os.urandom(8).hex()}")
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        os.link(draft, os.path.join(DIR, name))
    except FileExistsError:
        pass
    if name == "result":
        # Each copy of the service leaves one of these.
        os.rename(draft, f"{draft}.all")
    else:
        os.unlink(draft)


def explain():
    """What a service adds to the result of a client that failed."""
    return ""


def end(text):
    if text != "ok":
        text += explain()
    announce("result", text)
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
    os._exit(0 if text == "ok" else 1)


def is_over():
    return os.path.exists(os.path.join(DIR, "go"))


def wait_until(condition, seconds=60):
    """For servers to come up, before anything is saved."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s")
        time.sleep(0.02)


def is_listening(port, host="127.0.0.1"):
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def private_directory(owner=None):
    """A directory that is the container's alone: where several are to run, a tmpfs."""
    path = os.environ.get("SERVICE_DATA", os.path.join(DIR, "data"))
    if owner is not None:
        os.chown(path, owner, owner)
    return path


class Client(threading.Thread):
    """Calls step() again and again until the service is over."""

    def __init__(self):
        super().__init__(daemon=True)
        self.steps = 0
        self.over = False

    def step(self):
        raise NotImplementedError

    def finish(self):
        """What is to be verified once the load has ended."""

    def run(self):
        try:
            while not self.over:
                self.step()
                self.steps += 1
        except BaseException as error:  # pylint: disable=broad-except
            end(f"{sys.argv[0]}: {type(self).__name__}: step {self.steps}: {error!r}")


def answer(clients):
    """To a test that asks: once each client has got further."""
    ping = os.path.join(DIR, "ping")
    if not os.path.exists(ping):
        return
    before = [client.steps for client in clients]
    wait_until(lambda: all(c.steps > b + 2 for c, b in zip(clients, before)), 120)
    os.unlink(ping)
    announce("pong", "")


def serve(clients):
    """Runs the load until the test says so, then verifies."""
    for client in clients:
        client.start()
    wait_until(lambda: all(client.steps > 2 for client in clients))
    announce("ready", "")
    while not is_over():
        answer(clients)
        time.sleep(0.01)
    before = [client.steps for client in clients]
    wait_until(lambda: all(c.steps > b + 2 for c, b in zip(clients, before)), 120)
    for client in clients:
        client.over = True
    for client in clients:
        client.join(60)
        if client.is_alive():
            raise TimeoutError("a client hangs")
        client.finish()


def main(work):
    try:
        work()
    except BaseException as error:  # pylint: disable=broad-except
        end(f"{sys.argv[0]}: {error!r}")
    end("ok")
