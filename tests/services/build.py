#!/usr/bin/env python3
"""make -j builds a C program of many files, again and again; each time it must come out whole."""
import os
import shutil
import subprocess

import service

FILES = 12

MAKEFILE = """
program: {objects}
\tgcc -o $@ $^
%.o: %.c
\tgcc -O1 -c -o $@ $<
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def write_sources(top):
    os.makedirs(top)
    names = [f"part{n}" for n in range(FILES)]
    write(f"{top}/Makefile", MAKEFILE.format(objects=" ".join(f"{n}.o" for n in [*names, "main"])))
    for number, name in enumerate(names):
        lines = "".join(f"\tx = x * {i + 3} + {number};\n" for i in range(200))
        write(f"{top}/{name}.c",
              f"#include <stdio.h>\nunsigned {name}(unsigned x)\n{{\n{lines}\treturn x;\n}}\n")
    calls = "".join(f"\tx ^= {name}(x);\n" for name in names)
    declared = "".join(f"unsigned {name}(unsigned);\n" for name in names)
    write(f"{top}/main.c", f'#include <stdio.h>\n{declared}int main(void)\n{{\n\tunsigned x = 1;\n'
                           f'{calls}\tprintf("%u\\n", x);\n\treturn 0;\n}}\n')


def expected():
    value = 1
    for number in range(FILES):
        part = value
        for i in range(200):
            part = (part * (i + 3) + number) % 2**32
        value ^= part
    return f"{value}\n"


class Build(service.Client):
    def __init__(self, data):
        super().__init__()
        self.data = data

    def step(self):
        top = f"{self.data}/build"
        write_sources(top)
        done = subprocess.run(["make", "-s", "-j4", "-C", top], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        assert done.stdout == "", done.stdout
        done = subprocess.run([f"{top}/program"], check=True, text=True, stdout=subprocess.PIPE)
        assert done.stdout == expected(), done.stdout
        shutil.rmtree(top)


def work():
    data = service.private_directory()
    os.environ["TMPDIR"] = data
    service.serve([Build(data)])


service.main(work)
