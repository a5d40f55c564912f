#!/usr/bin/env python3
"""PostgreSQL with pgbench: no transaction is lost, none is there twice, by pgbench's own report and
by sums over all tables. PostgreSQL does not run as user 0: as root of the container, this makes it
another one."""
import glob
import os
import re
import subprocess
import sys
import time

import service

OWNER = 1  # has a name on every system, which PostgreSQL asks for


def program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else name


def become():
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(OWNER, OWNER, OWNER)
        os.setresuid(OWNER, OWNER, OWNER)


def start(*words, **more):
    return subprocess.Popen(words, preexec_fn=become, **more)


def run(*words):
    child = start(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = child.communicate()[0]
    assert child.returncode == 0, (words, output)
    return output


def query(sockets, text):
    return run(program("psql"), "-h", sockets, "-U", "bench", "-AtXc", text, "postgres").strip()


def work():
    owner = OWNER if os.getuid() == 0 else None
    top = service.private_directory(owner=owner)
    os.chdir(top)  # names of sockets are short
    data = f"{top}/pg"
    run(program("initdb"), "-D", data, "-U", "bench", "-A", "trust", "--no-sync")
    with open(f"{top}/log", "wb") as log:
        server = start(program("postgres"), "-D", data, "-k", ".", "-c", "unix_socket_directories=../",
                       "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", stdout=log, stderr=log)
    host = "127.0.0.1"
    service.wait_until(lambda: start(program("pg_isready"), "-q", "-h", host).wait() == 0)
    run(program("pgbench"), "-h", host, "-U", "bench", "-i", "-q", "-s", "1", "postgres")
    # More time than any test takes; it is told to end by the end of its clients' connections.
    bench = [start(program("pgbench"), "-h", where, "-U", "bench", "-c", "2", "-T", "3600", "-n",
                   "postgres", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
             for where in (host, top)]

    def count():
        return int(query(top, "select count(*) from pgbench_history"))

    service.wait_until(lambda: count() > 50)
    service.announce("ready", "")
    while not service.is_over():
        time.sleep(0.02)
    before = count()
    service.wait_until(lambda: count() > before + 50, 120)
    for child in bench:
        assert child.poll() is None, child.communicate()
        os.kill(child.pid, 2)
    for child in bench:
        output = child.communicate()[0]
        assert not re.search("error|abort|fail(?!ed transactions: 0)", output, re.I), output
    # Every transaction adds one delta to an account, a teller, a branch and the history.
    sums = query(top, "select (select sum(abalance) from pgbench_accounts),"
                      "(select sum(tbalance) from pgbench_tellers),"
                      "(select sum(bbalance) from pgbench_branches),"
                      "(select sum(delta) from pgbench_history)").split("|")
    assert len(set(sums)) == 1, sums
    server.terminate()
    assert server.wait(60) == 0, "postgres failed"


service.main(work)
