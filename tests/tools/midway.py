#!/usr/bin/env python3
"""Does something in the middle of a command's work.

midway.py TEXT ACTION [TEXT ACTION]... -- COMMAND...

Runs COMMAND, whose standard error comes out here. Once a line of it has TEXT, ACTION is executed by
a shell, as $TASK the first number behind "task " in that line, as $WORKER the parent of that
process; then the next pair is waited for. Meanwhile COMMAND can write one more line, and stands
still where it writes another: nothing else that it says is in between. The exit status is
COMMAND's; 99 if an action failed, or was never due.
"""
import fcntl
import os
import re
import subprocess
import sys

# A pipe with room for one write, however short it is.
F_SETPIPE_SZ = 1031


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[1]
    except OSError:
        return ""


def act(action, line):
    task = re.search(r"task (\d+)", line)
    pid = task.group(1) if task else ""
    variables = dict(os.environ, TASK=pid, WORKER=parent_of(pid) if pid else "")
    return subprocess.run(["bash", "-euc", action], env=variables, timeout=60, check=False,
                          stdin=subprocess.DEVNULL).returncode == 0


def main():
    words = sys.argv[1:]
    end = words.index("--")
    due = list(zip(words[0:end:2], words[1:end:2]))
    reader, writer = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    with subprocess.Popen(words[end + 1:], stderr=writer) as command:
        os.close(writer)
        is_good = True
        while data := os.read(reader, 4096):
            line = data.decode(errors="replace")
            sys.stderr.write(line)
            if due and due[0][0] in line:
                is_good = act(due.pop(0)[1], line) and is_good
        status = command.wait()
    return status if is_good and not due else 99


sys.exit(main())
