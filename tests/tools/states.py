#!/usr/bin/env python3
"""states.py CONTAINER DIR SEED ROUNDS POLICY...: random states, restored and judged.

Saves the container, a tests/victim/states.c, and restores it ROUNDS times under each POLICY: first
as it was saved, then with states forged over it, which are more than any ordinary user may have.

Each value of each task and thread is seen four times: as saved, in the plan, in /proc after the
restore, and by the oracle, a clean child of ours that tries it. It must hold that
    /proc says what the plan says;
    the plan gives what was saved if and only if the oracle could take it and the policy allows;
    whatever the plan gives instead, the oracle could take, and where values have an order,
    nothing between that and what was saved.
Prints each difference; then how many states and values were compared."""

import ctypes
import itertools
import json
import os
import random
import re
import resource
import select
import signal
import subprocess
import sys

BUILD = os.environ["CTCKPT_BUILD"]
INFINITY = 2**64 - 1
CAPS = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
LIMITS = ["cpu time", "file size", "data size", "stack size", "core file size", "resident set",
          "processes", "open files", "locked memory", "address space", "file locks",
          "pending signals", "msgqueue size", "nice priority", "realtime priority",
          "realtime timeout"]
RESET_ON_FORK = 0x40000000
FIFO, RR, DEADLINE, EXTENSIBLE = 1, 2, 6, 7
BEST_EFFORT = 0x4000
SYS_IOPRIO_GET = {"x86_64": 252, "aarch64": 31}[os.uname().machine]
KERNEL_TELLS_NONE = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 1)
libc = ctypes.CDLL(None, use_errno=True)


def run(*command, accepted=(0,), **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=250, check=False, **options)
    if done.returncode not in accepted:
        sys.exit(f"{' '.join(command)[:300]} ends with {done.returncode}: {done.stderr}")
    return done.stdout


def ctckpt(*arguments, **options):
    return run(f"{BUILD}/ctckpt", *arguments, **options)


# ---- what /proc says ----

def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class Map:
    """The ids of a container: those that we see, as it sees them."""

    def __init__(self, init, which):
        self.lines = [tuple(map(int, line.split()))
                      for line in read(f"/proc/{init}/{which}_map").splitlines()]

    def inside(self, outside):
        for first, ours, count in self.lines:
            if ours <= outside < ours + count:
                return first + outside - ours
        return None


def descendants(pid):
    """The outer pids of a process and all below it."""
    yield pid
    for thread in os.listdir(f"/proc/{pid}/task"):
        for child in read(f"/proc/{pid}/task/{thread}/children").split():
            yield from descendants(int(child))


def status_of(path):
    return dict(line.split(":", 1) for line in read(path).splitlines() if ":" in line)


def limit_values(pid):
    for line in read(f"/proc/{pid}/limits").splitlines()[1:]:
        name = re.match(r"Max ([a-z ]+?)\s{2,}", line).group(1)
        values = line[26:].split()[:2]
        number = LIMITS.index(name)
        for side, value in enumerate(values):
            yield 2 * number + side, INFINITY if value == "unlimited" else int(value)


def words_of(cpus):
    """Sets of CPUs are saved as words of 64 bits."""
    mask = sum(1 << cpu for cpu in cpus)
    return [mask >> bit & INFINITY for bit in range(0, max(os.sched_getaffinity(0)) + 1, 64)]


def is_single(lines):
    return sum(line[2] for line in lines) == 1


def thread_values(tid, status, uids, gids):
    """{(class, detail): value} of one thread; ids as its container sees them."""
    values = {}
    for name, key, ids in (("uid", "Uid", uids), ("gid", "Gid", gids)):
        for detail, value in enumerate(status[key].split()):
            values[name, detail] = ids.inside(int(value))
    # Where it may have but one id, it has our groups.
    values["groups", 0] = sorted(map(int, status["Groups"].split())) if is_single(gids.lines) \
        else sorted(gids.inside(int(gid)) for gid in status["Groups"].split())
    for detail, key in enumerate(CAPS):
        values["caps", detail] = int(status[key], 16)
    values["no_new_privs", 0] = int(status["NoNewPrivs"])
    for word, value in enumerate(words_of(os.sched_getaffinity(tid))):
        values["affinity", word] = value
    values["sched", 0] = os.sched_getscheduler(tid)
    values["rtprio", 0] = os.sched_getparam(tid).sched_priority
    values["nice", 0] = os.getpriority(os.PRIO_PROCESS, tid)
    values["ioprio", 0] = libc.syscall(SYS_IOPRIO_GET, 1, tid)
    return values


def observe(init):
    """{(pid, tid): values}, both as in the container."""
    found = {}
    uids, gids = Map(init, "uid"), Map(init, "gid")
    for pid in descendants(init):
        inner_pid = int(status_of(f"/proc/{pid}/status")["NSpid"].split()[-1])
        for tid in map(int, os.listdir(f"/proc/{pid}/task")):
            status = status_of(f"/proc/{pid}/task/{tid}/status")
            inner = int(status["NSpid"].split()[-1])
            values = thread_values(tid, status, uids, gids)
            if inner == inner_pid:
                values["oom_score_adj", 0] = int(read(f"/proc/{pid}/oom_score_adj"))
                values["umask", 0] = int(status["Umask"], 8)
                values["locked", 0] = int(status["VmLck"].split()[0]) * 1024
                for detail, value in limit_values(pid):
                    values["rlimit", detail] = value
            found[inner_pid, inner] = values
    return found


# ---- what the plan says ----

class Plan:
    def __init__(self, policy, image):
        self.json = json.loads(ctckpt("plan", "--json", "--policy", policy, image,
                                      accepted=(0, 3)))
        self.policy = policy
        self.tasks = {}  # (pid, tid): {(class, detail): decision}
        self.ids = {}  # of records: (pid, tid)
        self.locks = {}  # bytes saved: bytes given
        for decision in self.json["decisions"]:
            if decision.get("subject") == "locked memory":
                self.locks[int(decision["saved"])] = int(decision["effective"])
            if "pid" not in decision:
                continue
            task = decision["pid"], decision.get("tid", decision["pid"])
            key = decision["class"], decision["detail"]
            if decision["class"] in ("file", "stdio", "mlock", "setid", "keyring"):
                continue
            for value in ("saved", "effective"):
                decision[value] = int(decision.get(value, -1))
            self.tasks.setdefault(task, {})[key] = decision
            self.ids[decision["id"]] = task

    def map_lines(self, which):
        return [(line["inside"], line["outside"], line["count"])
                for line in self.json[which + "_map"]]

    def is_single(self):
        return all(is_single(self.map_lines(which)) for which in ("uid", "gid"))

    def groups(self, where, which):
        found = (d for (name, _), d in sorted(self.tasks[where].items()) if name == "groups")
        return sorted(decision[which] for decision in found)


# ---- what the oracle says ----

class Oracle:
    """Where more than one id is mapped, it waits in a user namespace for its maps."""

    def __init__(self):
        self.known = {}
        self.places = {}

    def answer(self, questions, plan):
        here = sorted({q for q in questions if q.split()[0] not in ("held", "groups")} -
                      self.known.keys())
        self.known.update(zip(here, self.ask(here), strict=True))
        self.place = self.places.setdefault(str(plan.json["uid_map"] + plan.json["gid_map"]), {})
        inside = sorted(set(questions) - self.known.keys() - self.place.keys())
        if inside:
            self.place.update(zip(inside, self.ask(inside, plan), strict=True))

    @staticmethod
    def ask(questions, plan=None):
        with subprocess.Popen([f"{BUILD}/tests/tools/oracle"], stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE) as oracle:
            if plan:
                oracle.stdin.write("enter\n")
                oracle.stdin.flush()
                if oracle.stdout.readline() != "1\n":
                    sys.exit("the oracle cannot enter a user namespace")
                for which in ("uid", "gid"):
                    words = itertools.chain(*plan.map_lines(which))
                    run(f"new{which}map", str(oracle.pid), *map(str, words))
            return oracle.communicate("".join(q + "\n" for q in questions),
                                      timeout=250)[0].splitlines()

    def could(self, question):
        return (self.known.get(question) or self.place[question]) == "1"


def question_of(name, detail, value, task):
    """The oracle's question about one value; task: the effective ones of its other fields."""
    if name == "rlimit":
        hard = value if detail % 2 else max(value, task["rlimit", detail + 1])
        # A child that has used up its time may be dead before it answers.
        least = min(value, 1000) if detail == 2 * resource.RLIMIT_CPU + 1 else 0
        soft = least if detail % 2 else value
        return f"limit {detail // 2} {soft} {hard}"
    if name == "sched":
        priority = 1 if value & ~RESET_ON_FORK in (FIFO, RR) else 0
        return f"sched {value} {priority}"
    if name == "rtprio":
        return f"sched {FIFO} {value}" if value else "nice 19"
    if name == "no_new_privs":
        return "nice 19" if value else "privileged"
    return {"nice": f"nice {value}", "ioprio": f"ioprio {value}", "oom_score_adj": f"oom {value}",
            "dumpable": f"dumpable {value}"}.get(name)


def creds_question(plan, task, which):
    keys = [(name, i) for name, n in (("uid", 4), ("gid", 4), ("caps", 5)) for i in range(n)]
    keys += [("securebits", 0), ("no_new_privs", 0)]
    asked = ["held"]
    if plan.is_single():
        asked = ["creds", *(plan.map_lines(m)[0][0] for m in ("uid", "gid"))]
    return " ".join(map(str, asked + [task[key][which] for key in keys]))


def groups_question(plan, where, which):
    groups = plan.groups(where, which)
    return " ".join(map(str, ["groups", len(groups), *groups]))


def next_greater(name, value):
    """The next more privileged value in the order of the class; None: none is known."""
    if name == "rlimit":
        return value + 1 if value < INFINITY else None
    if name in ("nice", "oom_score_adj"):
        return value - 1
    return None


class Invoker:
    """What the presets go by, besides what the oracle could."""

    def __init__(self):
        status = status_of("/proc/self/status")
        self.oom = int(read("/proc/self/oom_score_adj"))
        self.permitted = int(status["CapPrm"], 16)
        self.bounding = int(status["CapBnd"], 16)

    def gives_caps(self, policy, detail, value):
        if policy == "same-host":
            return value & ~(self.bounding if detail == 3 else self.permitted) == 0
        return policy == "map" or value == 0

    def gives(self, policy, name, detail, value):
        if name == "caps":
            return self.gives_caps(policy, detail, value)
        if name == "sched":
            real_time = value & ~RESET_ON_FORK in (FIFO, RR, DEADLINE, EXTENSIBLE)
            return policy == "same-host" or not real_time
        if name == "rtprio":
            return policy == "same-host" or value == 0
        if name == "ioprio":
            return value in (0, BEST_EFFORT) or value >> 13 == 3 or \
                (value >> 13 == 2 and value & 7 > 0)
        if name == "no_new_privs":
            return policy != "strict" or value == 1
        if name == "oom_score_adj":
            return value >= self.oom
        return True


class Judge:
    def __init__(self):
        self.oracle = Oracle()
        self.states = 0
        self.values = 0
        self.lost = 0
        self.differences = []
        self.invoker = Invoker()

    def differ(self, *words):
        self.differences.append(" ".join(map(str, words)))

    def of_task(self, plan, where, decisions):
        """(name, detail, saved, effective) of all that the oracle is asked about."""
        for (name, detail), decision in decisions.items():
            if decision["outcome"] == "refuse":
                self.differ(plan.policy, where, name, detail, "is refused:", decision)
            elif question_of(name, detail, 0, {("rlimit", detail + 1): 0}):
                yield name, detail, decision["saved"], decision["effective"]

    def questions(self, plan):
        for saved in plan.locks:
            yield "locked", 0, saved, f"lock {saved}"
        for where, decisions in plan.tasks.items():
            hard = {key: d.get("effective") for key, d in decisions.items() if key[0] == "rlimit"}
            for name, detail, saved, effective in self.of_task(plan, where, decisions):
                for value in (saved, effective, next_greater(name, effective)):
                    if value is not None:
                        yield name, detail, value, question_of(name, detail, value, hard)
            for (name, detail), decision in decisions.items():
                for bit in range(64 if name == "affinity" else 0):
                    if decision["effective"] >> bit & 1:
                        yield name, detail, bit, f"cpu {64 * detail + bit}"
            for which in ("saved", "effective"):
                yield "creds", 0, None, creds_question(plan, decisions, which)
                if not plan.is_single():
                    yield "groups", 0, None, groups_question(plan, where, which)

    def plan_holds(self, plan):
        """The plan against the oracle."""
        if plan.json["verdict"] != "restore":
            self.differ(plan.policy, "the plan refuses")
            return
        self.oracle.answer({question for *_, question in self.questions(plan)}, plan)
        self.locks_hold(plan)
        for where, decisions in plan.tasks.items():
            self.states += 1
            self.task_holds(plan, where, decisions)
            self.creds_hold(plan, where, decisions)
            self.cpus_hold(plan, where, decisions)

    def locks_hold(self, plan):
        """Half of it locked would help nobody."""
        for saved, effective in plan.locks.items():
            due = saved if self.oracle.could(f"lock {saved}") else 0
            self.values += 1
            if effective != due:
                self.differ(plan.policy, "locked memory", saved, "plan", effective, "oracle", due)

    def task_holds(self, plan, where, decisions):
        hard = {key: d.get("effective") for key, d in decisions.items() if key[0] == "rlimit"}
        for name, detail, saved, effective in self.of_task(plan, where, decisions):
            def could(value):
                return self.oracle.could(question_of(name, detail, value, hard))
            self.values += 1
            is_due = self.invoker.gives(plan.policy, name, detail, saved) and could(saved)
            self.lost += effective != saved
            if (effective == saved) != is_due:
                self.differ(plan.policy, where, name, detail, "saved", saved, "plan", effective,
                            "oracle could" if is_due else "oracle could not, or policy forbids")
            if not could(effective):
                self.differ(plan.policy, where, name, detail, "saved", saved, "plan", effective,
                            "which the oracle could not take")
            more = next_greater(name, effective)
            if effective != saved and more is not None and could(more) and \
                    self.invoker.gives(plan.policy, name, detail, more):
                self.differ(plan.policy, where, name, detail, "saved", saved, "plan", effective,
                            "where the oracle could take", more)

    def creds_hold(self, plan, where, decisions):
        """Ids, capabilities and securebits depend on each other: they are tried together."""
        keys = [(name, i) for name, n in (("uid", 4), ("gid", 4), ("caps", 5)) for i in range(n)]
        keys.append(("securebits", 0))
        same = all(decisions[key]["saved"] == decisions[key]["effective"] for key in keys)
        is_due = self.oracle.could(creds_question(plan, decisions, "saved")) and \
            all(self.invoker.gives(plan.policy, *key, decisions[key]["saved"]) for key in keys)
        self.values += len(keys)
        self.lost += sum(decisions[key]["saved"] != decisions[key]["effective"] for key in keys)
        if not plan.is_single():
            same &= plan.groups(where, "saved") == plan.groups(where, "effective")
            is_due &= self.oracle.could(groups_question(plan, where, "saved"))
        if is_due and not same:
            self.differ(plan.policy, where, "creds: the oracle could take all, the plan does not")
        if not self.oracle.could(creds_question(plan, decisions, "effective")):
            self.differ(plan.policy, where, "creds: the oracle could not take",
                        creds_question(plan, decisions, "effective"))

    def cpus_hold(self, plan, where, decisions):
        """A set is kept but for what we have not; one that would be empty is ours."""
        words = {key[1]: d for key, d in decisions.items() if key[0] == "affinity"}
        own = words_of(os.sched_getaffinity(0))
        meets = {i: d["saved"] & (own[i] if i < len(own) else 0) for i, d in words.items()}
        for i, decision in words.items():
            due = meets[i] if any(meets.values()) else own[i] if i < len(own) else 0
            could = sum(1 << bit for bit in range(64)
                        if decision["effective"] >> bit & 1 and
                        self.oracle.could(f"cpu {64 * i + bit}"))
            self.values += 1
            if not decision["effective"] == due == could:
                self.differ(plan.policy, where, "affinity", i, "saved", decision["saved"], "plan",
                            decision["effective"], "oracle", could)

    def unbound(self, plan, where, word):
        """Who has no mask in the image may use every CPU."""
        has_mask = any(name == "affinity" for name, _ in plan.tasks.get(where, {}))
        return 0 if has_mask else words_of(os.sched_getaffinity(0))[word]

    def live_holds(self, plan, live, saved):
        """/proc against the plan; what has no plan, against what was saved."""
        if live.keys() != saved.keys():
            self.differ(plan.policy, "tasks:", sorted(live.keys() ^ saved.keys()))
        for where, values in live.items():
            for (name, detail), value in values.items():
                decision = plan.tasks.get(where, {}).get((name, detail))
                if name == "umask":
                    expected = saved[where][name, detail]
                elif name == "locked":
                    expected = plan.locks.get(saved[where][name, detail], 0)
                elif name == "affinity" and not decision:
                    expected = self.unbound(plan, where, detail)
                elif name in ("ioprio", "rtprio") and not decision:
                    # Before 6.1, what none stands for is told instead.
                    is_told = name == "ioprio" and not KERNEL_TELLS_NONE and value >> 13 == 2
                    expected = value if is_told else 0
                elif name == "groups":
                    expected = sorted(os.getgroups()) if plan.is_single() \
                        else plan.groups(where, "effective")
                elif not decision:
                    self.differ(plan.policy, where, name, detail, "is not in the plan")
                    continue
                else:
                    expected = decision["effective"]
                self.values += 1
                if expected != value:
                    self.differ(plan.policy, where, name, detail, "plan", expected, "/proc", value)


# ---- forging ----

def any_limit(rng, own):
    return rng.choice([0, 1, own, max(own, 1) - 1, min(own + 1, INFINITY), INFINITY,
                       rng.randrange(2**rng.randrange(1, 64))])


def any_limits(rng, own, least):
    hard = max(any_limit(rng, own), least)
    return max(rng.choice([hard, min(hard, any_limit(rng, own))]), least), hard


def subset(rng, of):
    return rng.choice([0, of, of & rng.getrandbits(64), of & rng.getrandbits(64)])


def forge_ids(rng, at, body, count):
    for i in range(8):
        yield f"{at}+{4 * i}:4={rng.choice([0, rng.randrange(count)])}"
    for i in range(int.from_bytes(body[76:80], "little")):
        yield f"{at}+{80 + 4 * i}:4={rng.randrange(count)}"


def forge_creds(rng, at, known):
    inheritable, permitted, bounding = (subset(rng, known) for _ in range(3))
    effective = subset(rng, permitted)
    ambient = subset(rng, permitted & inheritable)
    for i, value in enumerate([inheritable, permitted, effective, bounding, ambient]):
        yield f"{at}+{32 + 8 * i}:8={value}"
    yield f"{at}+72:4={rng.getrandbits(8)}"


def forge_limits(rng, at, is_saved_again):
    """What a sleeping task survives: it needs CPU time alone, and whoever saves it some memory."""
    for i in range(16):
        own = resource.getrlimit(i)[1] % 2**64
        needs_memory = is_saved_again and i in (resource.RLIMIT_AS, resource.RLIMIT_DATA)
        soft, hard = any_limits(rng, own, 2**30 if needs_memory else
                                1000 if i == resource.RLIMIT_CPU else 0)
        yield f"{at}+{16 * i}:8={soft}"
        yield f"{at}+{16 * i + 8}:8={hard}"


def forge_sched(rng, at, body):
    policy = rng.choice([0, 0, 1, 2, 3, 5])
    yield f"{at}+0:4={policy}"
    yield f"{at}+4:4={rng.randint(1, 99) if policy in (FIFO, RR) else 0}"
    yield f"{at}+8:4={0 if policy in (FIFO, RR) else rng.randint(-20, 19) % 2**32}"
    yield f"{at}+12:4={rng.randrange(2)}"
    io = rng.choice([0, 1 << 13 | rng.randrange(8), 2 << 13 | rng.randrange(8), 3 << 13])
    yield f"{at}+16:4={io}"
    for word in range(int.from_bytes(body[20:24], "little")):
        yield f"{at}+{24 + 8 * word}:8={rng.randrange(1, 2 ** rng.choice([1, 2, 8, 64]))}"


def records(image):
    """(tag, "TAG.N", id, body) of each record."""
    counts = {}
    with open(image, "rb") as file:
        for line in run(f"{BUILD}/tests/forge", "list", image).splitlines():
            tag, number, offset, size = line.split()
            counts[tag] = counts.get(tag, -1) + 1
            file.seek(int(offset))
            yield tag, f"{tag}.{counts[tag]}", int(number), file.read(min(int(size), 4096))


def forge(rng, image, out, id_count, is_saved_again):
    known = int(status_of("/proc/self/status")["CapBnd"], 16)
    edits = []
    for tag, at, _, body in records(image):
        if tag == "CRED":
            edits += forge_creds(rng, at, known)
            if id_count > 1:
                edits += forge_ids(rng, at, body, id_count)
        elif tag == "RLIM":
            edits += forge_limits(rng, at, is_saved_again)
        elif tag == "SCHD":
            edits += forge_sched(rng, at, body)
        elif tag == "OOMA":
            edits.append(f"{at}+0:4={rng.randint(-1000, 1000) % 2**32}")
        elif tag == "CONF":
            edits.append(f"{at}+0:4={rng.randrange(2)}")
        elif tag == "PRCT":
            edits.append(f"{at}+0:4={rng.randrange(2)}")
    run(f"{BUILD}/tests/forge", "edit", image, out, *edits)


# ---- rounds ----

def end(pid):
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    if not select.select([pidfd], [], [], 60)[0]:
        sys.exit(f"process {pid} does not die")
    os.close(pidfd)


def container_pid(name):
    if name.startswith("pid:"):
        return int(name[4:])
    return next(int(line.split()[1]) for line in ctckpt("ps").splitlines()
                if line.split()[0] == name)


def timer_slacks(plan, image):
    return {plan.ids[number]: int.from_bytes(body[56:64], "little")
            for tag, _, number, body in records(image) if tag == "TATT"}


def saved_again(judge, plan, image, directory):
    """What a second checkpoint finds is what the plan of the first one gave: /proc does not say
    all. Where a thread may use every CPU, and where it has no priority, nothing is saved; the
    kernel sorts groups."""
    again = f"{directory}/again.ckpt"
    ctckpt("checkpoint", "--leave-running", "oracle", "-o", again)
    second = Plan("map", again)
    if timer_slacks(plan, image) != timer_slacks(second, again):
        judge.differ(plan.policy, "timer slacks", sorted(timer_slacks(plan, image).items() ^
                                                         timer_slacks(second, again).items()))
    for where, decisions in plan.tasks.items():
        for key, decision in decisions.items():
            if key[0] in ("affinity", "rtprio", "groups", "lsm", "session"):
                continue
            found = second.tasks.get(where, {}).get(key, {}).get("saved")
            judge.values += 1
            if found != decision["effective"]:
                judge.differ(plan.policy, where, *key, "plan", decision["effective"],
                             "second checkpoint", found)
    os.unlink(again)


def one_round(judge, policy, image, saved, directory, thorough):
    plan = Plan(policy, image)
    judge.plan_holds(plan)
    if judge.differences:
        return
    ctckpt("restore", "--detach", "--policy", policy, "--name", "oracle", image)
    init = container_pid("oracle")
    judge.live_holds(plan, observe(init), saved)
    for which in ("uid", "gid"):
        if Map(init, which).lines != plan.map_lines(which):
            judge.differ(policy, which, "map", plan.map_lines(which), "/proc",
                         Map(init, which).lines)
    if thorough:
        saved_again(judge, plan, image, directory)
    end(init)


def was_saved(judge, image, before):
    """The image against what /proc said before."""
    plan = Plan("map", image)
    for where, values in before.items():
        for (name, detail), value in values.items():
            decision = plan.tasks.get(where, {}).get((name, detail))
            if not decision or (name == "groups" and plan.is_single()):
                continue
            expected = plan.groups(where, "saved") if name == "groups" else decision["saved"]
            judge.values += 1
            if expected != value:
                judge.differ("saved", where, name, detail, "image", expected, "/proc", value)


def main():
    name, directory, seed, rounds, *policies = sys.argv[1:]
    image, evil = f"{directory}/states.ckpt", f"{directory}/forged.ckpt"
    judge = Judge()
    init = container_pid(name)
    before = observe(init)
    id_count = 1 if is_single(Map(init, "uid").lines) else 5
    ctckpt("checkpoint", name, "-o", image)
    was_saved(judge, image, before)
    for number, policy in itertools.product(range(int(rounds)), policies):
        if number > 0:
            forge(random.Random(f"{seed} {number}"), image, evil, id_count, number == 1)
        one_round(judge, policy, evil if number else image, before, directory, number == 1)
        if judge.differences:
            break
    for line in judge.differences[:40]:
        print(line)
    print(f"seed {seed}: {judge.states} states, {judge.values} values compared, "
          f"{judge.lost} of them less than saved; {len(judge.differences)} differences")
    return 1 if judge.differences else 0


if __name__ == "__main__":
    sys.exit(main())
