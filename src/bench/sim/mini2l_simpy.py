"""MINI-2L on SimPy 2 (Debian: python3-simpy): the rules of mini2l.ts in that library's own terms: every pCPU is a process
that holds until the end of the work or of the slice and is reactivated when that end changes.

    python3 mini2l_simpy.py PCPUS DOMAINS VCPUS SECTIONS SEED EVENTS  ->  one line of JSON

SimPy orders equal times by who asked first, the model by pCPU. So its clock runs in 1/1024 ns and carries the pCPU's number
below the nanosecond: equal times come in the order of pCPUs, and the digest is the same.
"""
import json
import math
import sys
import time

from SimPy.Lib import Process
from SimPy.Simulation import Simulation, hold, passivate

NEVER = math.inf
COMPUTE_MEAN, SECTION_MEAN = 100_000, 2_000
SLICE, SWITCH = 30_000_000, 2_000
TICKS_PER_NS = 1024
KIND_WORK, KIND_SLICE = 0, 1
COMPUTES, SPINS, HOLDS = range(3)

# --- draws and digest, as src/sim/engine ---

WORD = 0xFFFFFFFF


def mix(h):
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & WORD
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & WORD
    return h ^ (h >> 16)


def key_of(*parts):
    key = 0x9E3779B9
    for part in parts:
        key = mix((key * 31 + mix((part + 0x7F4A7C15) & WORD)) & WORD)
    return key


def bits(key, n):
    return mix(key ^ mix((n * 0x9E3779B1 + 0x632BE5AB) & WORD))


def ln_mantissa(i):
    m = 1 + i / 4096
    z = (m - 1) / (m + 1)
    power = z
    total = 0.0
    for k in range(1, 40, 2):
        total += power / k
        power *= z * z
    return 2 * total


LN_MANTISSA = [ln_mantissa(i) for i in range(4097)]
LN2 = 0.6931471805599453


def exponential(u):
    e = 32 - u.bit_length()
    fraction = 0 if e >= 31 else (u << (e + 1)) & WORD
    index = fraction >> 20
    rest = (fraction & 0xFFFFF) / 1048576
    low = LN_MANTISSA[index]
    return (e + 1) * LN2 - (low + rest * (LN_MANTISSA[index + 1] - low))


def digest(h, at, kind, entity):
    h = ((h ^ (at & WORD)) * 0x01000193) & WORD
    h = ((h ^ (at >> 32)) * 0x01000193) & WORD
    h = ((h ^ kind) * 0x01000193) & WORD
    return ((h ^ entity) * 0x01000193) & WORD


# --- the model ---


class Domain:
    def __init__(self):
        self.holder = None
        self.waiters = []
        self.vcpus = []
        self.arrived = 0


class Vcpu:
    def __init__(self, domain, key, last):
        self.domain, self.key, self.last = domain, key, last
        self.draws = self.done = self.left = self.mark = 0
        self.doing = COMPUTES
        self.pcpu = None

    def draw(self, mean):
        self.left = math.floor(mean * exponential(bits(self.key, self.draws)) + 0.5)
        self.draws += 1

    def begin(self):
        self.doing = COMPUTES
        self.draw(COMPUTE_MEAN)

    def settle(self, now):
        if now <= self.mark:
            return
        if self.doing != SPINS:
            self.left -= now - self.mark
        self.mark = now


class Pcpu(Process):
    """Its turn comes at `due`; whoever changes that from outside reactivates it."""

    def __init__(self, host, number):
        Process.__init__(self, name="pcpu", sim=host)
        self.host, self.number = host, number
        self.queue = []
        self.current = None
        self.kind = KIND_WORK
        self.slice_end = self.due = 0

    def life(self):
        host = self.host
        yield passivate, self
        while True:
            host.note(self)
            host.active = self
            if self.kind == KIND_WORK:
                host.on_work(self)
            else:
                host.on_slice(self)
            host.active = None
            if self.due == NEVER:
                yield passivate, self
            else:
                yield hold, self, max(0, self.due - host.now())

    def arm(self):
        v = self.current
        now = self.host.ns
        work = NEVER if v.doing == SPINS else max(now, v.mark) + v.left
        if work <= self.slice_end:
            self.wait_until(work, KIND_WORK)
        else:
            self.wait_until(self.slice_end, KIND_SLICE)

    def wait_until(self, at, kind):
        self.kind = kind
        self.due = at * TICKS_PER_NS + self.number
        if self.host.active is not self:
            self.host.reactivate(self, at=self.due)

    def rest(self):
        self.due = NEVER
        if self.host.active is not self:
            self.cancel(self)


class Host(Simulation):
    def __init__(self, pcpus, domains, vcpus, sections, seed):
        Simulation.__init__(self)
        self.ns = 0
        self.hash = 0x811C9DC5
        self.active = None
        self.sections = sections
        self.pcpus = [Pcpu(self, p) for p in range(pcpus)]
        for pcpu in self.pcpus:
            self.activate(pcpu, pcpu.life())
        for _ in range(pcpus):
            self.step()
        self.domains = [Domain() for _ in range(domains)]
        all_vcpus = [Vcpu(self.domains[v // vcpus], key_of(seed, v), self.pcpus[v % pcpus]) for v in range(domains * vcpus)]
        for vcpu in all_vcpus:
            vcpu.domain.vcpus.append(vcpu)
            vcpu.begin()
        for vcpu in all_vcpus:
            self.wake(vcpu)

    def note(self, pcpu):
        self.ns = self.now() // TICKS_PER_NS
        self.hash = digest(self.hash, self.ns, pcpu.kind, pcpu.number)

    def on_work(self, pcpu):
        vcpu = pcpu.current
        vcpu.settle(self.ns)
        if vcpu.doing == COMPUTES:
            self.lock(vcpu)
            return
        self.unlock(vcpu.domain)
        vcpu.done += 1
        vcpu.begin()
        if vcpu.done == self.sections:
            vcpu.done = 0
            self.meet(vcpu, pcpu)
        else:
            pcpu.arm()

    def on_slice(self, pcpu):
        vcpu = pcpu.current
        vcpu.settle(self.ns)
        if not pcpu.queue:
            pcpu.slice_end = self.ns + SLICE
            pcpu.arm()
            return
        vcpu.pcpu = None
        pcpu.queue.append(vcpu)
        self.next(pcpu)

    def dispatch(self, pcpu, vcpu):
        pcpu.current = vcpu
        vcpu.pcpu = vcpu.last = pcpu
        vcpu.mark = self.ns + SWITCH
        pcpu.slice_end = self.ns + SWITCH + SLICE
        pcpu.arm()

    def next(self, pcpu):
        """From its own queue, else from the longest of the others."""
        if pcpu.queue:
            self.dispatch(pcpu, pcpu.queue.pop(0))
            return
        longest = max(self.pcpus, key=lambda each: len(each.queue))
        if longest.queue:
            self.dispatch(pcpu, longest.queue.pop(0))
        else:
            pcpu.rest()

    def wake(self, vcpu):
        home = vcpu.last
        if home.current is not None:
            home = next((pcpu for pcpu in self.pcpus if pcpu.current is None), home)
        if home.current is None:
            self.dispatch(home, vcpu)
        else:
            home.queue.append(vcpu)

    def grant(self, vcpu):
        vcpu.domain.holder = vcpu
        if vcpu.pcpu is not None:
            vcpu.settle(self.ns)
        vcpu.doing = HOLDS
        vcpu.draw(SECTION_MEAN)
        if vcpu.pcpu is not None:
            vcpu.pcpu.arm()

    def lock(self, vcpu):
        if vcpu.domain.holder is None:
            self.grant(vcpu)
            return
        vcpu.doing = SPINS
        vcpu.domain.waiters.append(vcpu)
        vcpu.pcpu.arm()

    def unlock(self, domain):
        domain.holder = None
        if domain.waiters:
            self.grant(domain.waiters.pop(0))

    def meet(self, vcpu, pcpu):
        """The last to come wakes the others."""
        domain = vcpu.domain
        domain.arrived += 1
        if domain.arrived < len(domain.vcpus):
            vcpu.pcpu = None
            pcpu.current = None
            self.next(pcpu)
            return
        domain.arrived = 0
        pcpu.arm()
        for sibling in domain.vcpus:
            if sibling is not vcpu:
                self.wake(sibling)


def main():
    *shape, events = (int(argument) for argument in sys.argv[1:7])
    host = Host(*shape)
    before = time.process_time()
    for _ in range(events):
        host.step()
    seconds = time.process_time() - before
    print(json.dumps({"digest": host.hash, "seconds": seconds}))


main()
