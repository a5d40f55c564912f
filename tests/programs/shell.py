#!/usr/bin/env python3
"""A shell on a terminal, with an editor in it that was sent to the background once, all held by
this program as a terminal emulator would. After the restore the editor goes on, then the shell."""
import os
import pty
import select
import sys
import time

DIR = os.environ["VICTIM_DIR"]
FILE = os.path.join(DIR, "text")


def announce(name, text):
    path = os.path.join(DIR, name)
    with open(path + ".draft", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".draft", path)


class Screen:
    def __init__(self, *command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="PROMPT ", TERM="xterm", HISTFILE="")
            os.execvp(command[0], command)
        self.text = b""

    def expect(self, text):
        while text not in self.text:
            if not select.select([self.fd], [], [], 60)[0]:
                raise TimeoutError(f"no {text} in {self.text}")
            self.text += os.read(self.fd, 4096)
        self.text = self.text[self.text.index(text) + len(text):]

    def send(self, data):
        os.write(self.fd, data)


def build(screen):
    screen.expect(b"PROMPT ")
    screen.send(b"bind 'set enable-bracketed-paste off'; X=kept\r")
    screen.expect(b"PROMPT ")
    screen.send(b"vi -u NONE " + FILE.encode() + b"\r")
    screen.expect(b"text")  # the echo; the next is the editor's
    screen.expect(b"text")
    screen.send(b"ibefore")
    screen.expect(b"before")
    screen.send(b"\x1b:set nowrap\r\x1a")
    screen.expect(b"Stopped")
    screen.expect(b"PROMPT ")
    screen.send(b"fg\r")
    screen.expect(b"before")
    screen.send(b"oduring")
    screen.expect(b"during")


def verify(screen):
    screen.send(b" and after\x1b:wq\r")
    screen.expect(b"PROMPT ")
    screen.send(b"echo $X; cat " + FILE.encode() + b"; stty size; tty\r")
    screen.expect(b"kept\r\nbefore\r\nduring and after\r\n")
    screen.expect(b"/dev/pts/0\r\n")
    screen.expect(b"PROMPT ")
    screen.send(b"sh -c 'echo beg\"\"un; exec sleep 1000'\r")
    screen.expect(b"begun")
    screen.send(b"\x03")
    screen.expect(b"PROMPT ")
    screen.send(b"exit 9\r")
    return os.waitpid(screen.pid, 0)[1] >> 8


def main():
    screen = Screen("bash", "--norc", "--noprofile", "-i")
    build(screen)
    announce("ready", "")
    while not os.path.exists(os.path.join(DIR, "go")):
        time.sleep(0.01)
    status = verify(screen)
    announce("result", "ok" if status == 9 else f"status {status}")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # whatever it is, the test is told
        announce("result", repr(error))
        sys.exit(1)
