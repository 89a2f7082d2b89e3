// MINI-2L in C++: the twin of mini2l.ts, rule for rule, so that both print the same digest. It exists only to say
// how much speed the language costs.
//
//   mini2l PCPUS DOMAINS VCPUS SECTIONS SEED EVENTS  ->  one line of JSON
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <vector>

static const double NEVER = std::numeric_limits<double>::infinity();
static const int SCAN_MAX = 32;

// --- draws and digest, as src/sim/engine ---

static inline uint32_t mix(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

static uint32_t keyOf(const std::vector<uint32_t>& parts) {
  uint32_t key = 0x9e3779b9u;
  for (uint32_t part : parts) key = mix(key * 31u + mix(part + 0x7f4a7c15u));
  return key;
}

static inline uint32_t bitsOf(uint32_t key, uint32_t n) { return mix(key ^ mix(n * 0x9e3779b1u + 0x632be5abu)); }

static double lnMantissa[4097];

static void makeTable() {
  for (int i = 0; i <= 4096; i++) {
    double m = 1 + i / 4096.0, z = (m - 1) / (m + 1), power = z, sum = 0;
    for (int k = 1; k < 40; k += 2) {
      sum += power / k;
      power *= z * z;
    }
    lnMantissa[i] = 2 * sum;
  }
}

static inline double exponential(uint32_t u) {
  int e = u == 0 ? 32 : __builtin_clz(u);
  uint32_t fraction = e >= 31 ? 0 : u << (e + 1);
  uint32_t index = fraction >> 20;
  double rest = (fraction & ((1u << 20) - 1)) / 1048576.0;
  double low = lnMantissa[index];
  return (e + 1) * M_LN2 - (low + rest * (lnMantissa[index + 1] - low));
}

static inline uint32_t digest(uint32_t hash, double time, uint32_t kind, uint32_t entity) {
  double high = std::floor(time / 4294967296.0), low = time - high * 4294967296.0;
  uint32_t h = (hash ^ (uint32_t)low) * 0x01000193u;
  h = (h ^ (uint32_t)high) * 0x01000193u;
  h = (h ^ kind) * 0x01000193u;
  return (h ^ entity) * 0x01000193u;
}

// --- slots ---

struct Slots {
  int count, leaves;
  std::vector<double> time;
  std::vector<uint8_t> kind;
  std::vector<int> winner;

  explicit Slots(int n) : count(n), leaves(1) {
    while (leaves < n) leaves *= 2;
    time.assign(leaves, NEVER);
    kind.assign(leaves, 0);
    winner.assign(2 * leaves, 0);
    for (int i = 0; i < leaves; i++) winner[leaves + i] = i;
    for (int node = leaves - 1; node >= 1; node--) winner[node] = winner[2 * node];
  }
  inline bool before(int a, int b) const { return time[a] < time[b] || (time[a] == time[b] && a < b); }
  inline void arm(int slot, double at, int k) {
    time[slot] = at;
    kind[slot] = k;
    if (count <= SCAN_MAX) return;
    for (int node = (leaves + slot) >> 1; node >= 1; node >>= 1) {
      int left = winner[2 * node], right = winner[2 * node + 1];
      winner[node] = before(right, left) ? right : left;
    }
  }
  inline int first() const {
    if (count > SCAN_MAX) return winner[1];
    int best = 0;
    double bestTime = time[0];
    for (int slot = 1; slot < count; slot++)
      if (time[slot] < bestTime) {
        bestTime = time[slot];
        best = slot;
      }
    return best;
  }
};

// --- the model ---

enum Doing : uint8_t { COMPUTES, SPINS, HOLDS };
static const int KIND_WORK = 0, KIND_SLICE = 1;
static const double SLICE = 30e6, SWITCH = 2000;

struct Mini {
  int pcpus, domains, perDomain, vcpus, sectionsPerBarrier;
  Slots slots;
  std::vector<int> domainOf, current, ring, head, length, pcpuOf, last, draws, done, nextWaiter, holder, firstWaiter, lastWaiter, arrived;
  std::vector<double> sliceEnd, left, mark;
  std::vector<uint8_t> doing;
  std::vector<uint32_t> key;
  double now = 0;
  uint32_t hash = 0x811c9dc5u;
  long sections = 0, holderPreemptions = 0, waiterPreemptions = 0;

  Mini(int p, int d, int c, int k, uint32_t seed)
      : pcpus(p), domains(d), perDomain(c), vcpus(d * c), sectionsPerBarrier(k), slots(p), domainOf(d * c), current(p, -1), ring(p * d * c),
        head(p), length(p), pcpuOf(d * c, -1), last(d * c), draws(d * c), done(d * c), nextWaiter(d * c, -1), holder(d, -1),
        firstWaiter(d, -1), lastWaiter(d, -1), arrived(d), sliceEnd(p), left(d * c), mark(d * c), doing(d * c), key(d * c) {
    for (int v = 0; v < vcpus; v++) {
      key[v] = keyOf({seed, (uint32_t)v});
      domainOf[v] = v / perDomain;
      last[v] = v % pcpus;
      begin(v);
    }
    for (int v = 0; v < vcpus; v++) wake(v);
  }

  inline double draw(int v, double mean) { return std::floor(mean * exponential(bitsOf(key[v], draws[v]++)) + 0.5); }
  inline void arm(int p) {
    int v = current[p];
    double work = doing[v] == SPINS ? NEVER : (now > mark[v] ? now : mark[v]) + left[v];
    if (work <= sliceEnd[p]) slots.arm(p, work, KIND_WORK);
    else slots.arm(p, sliceEnd[p], KIND_SLICE);
  }
  inline void settle(int v) {
    if (now <= mark[v]) return;
    if (doing[v] != SPINS) left[v] -= now - mark[v];
    mark[v] = now;
  }
  inline void enqueue(int p, int v) { ring[p * vcpus + (head[p] + length[p]++) % vcpus] = v; }
  inline int dequeue(int p) {
    int v = ring[p * vcpus + head[p]];
    head[p] = (head[p] + 1) % vcpus;
    length[p]--;
    return v;
  }
  void dispatch(int p, int v) {
    current[p] = v;
    pcpuOf[v] = last[v] = p;
    mark[v] = now + SWITCH;
    sliceEnd[p] = now + SWITCH + SLICE;
    arm(p);
  }
  void next(int p) {
    if (length[p] > 0) return dispatch(p, dequeue(p));
    int longest = -1;
    for (int q = 0; q < pcpus; q++)
      if (length[q] > 0 && (longest < 0 || length[q] > length[longest])) longest = q;
    if (longest >= 0) return dispatch(p, dequeue(longest));
    current[p] = -1;
    slots.arm(p, NEVER, KIND_WORK);
  }
  void wake(int v) {
    int p = last[v];
    if (current[p] >= 0)
      for (int q = 0; q < pcpus; q++)
        if (current[q] < 0) {
          p = q;
          break;
        }
    if (current[p] < 0) dispatch(p, v);
    else enqueue(p, v);
  }
  void grant(int d, int v) {
    holder[d] = v;
    int p = pcpuOf[v];
    if (p >= 0) settle(v);
    else waiterPreemptions++;
    doing[v] = HOLDS;
    left[v] = draw(v, 2000);
    if (p >= 0) arm(p);
  }
  void lock(int d, int v) {
    if (holder[d] < 0) return grant(d, v);
    doing[v] = SPINS;
    nextWaiter[v] = -1;
    if (firstWaiter[d] < 0) firstWaiter[d] = v;
    else nextWaiter[lastWaiter[d]] = v;
    lastWaiter[d] = v;
    arm(pcpuOf[v]);
  }
  void unlock(int d) {
    holder[d] = -1;
    int v = firstWaiter[d];
    if (v < 0) return;
    firstWaiter[d] = nextWaiter[v];
    grant(d, v);
  }
  void begin(int v) {
    doing[v] = COMPUTES;
    left[v] = draw(v, 100000);
  }
  void barrier(int d, int v) {
    int p = pcpuOf[v];
    arrived[d]++;
    begin(v);
    if (arrived[d] < perDomain) {
      pcpuOf[v] = -1;
      current[p] = -1;
      return next(p);
    }
    arrived[d] = 0;
    arm(p);
    for (int u = d * perDomain; u < (d + 1) * perDomain; u++)
      if (u != v) wake(u);
  }
  void onWork(int p) {
    int v = current[p], d = domainOf[v];
    settle(v);
    if (doing[v] == COMPUTES) return lock(d, v);
    sections++;
    unlock(d);
    if (++done[v] == sectionsPerBarrier) {
      done[v] = 0;
      return barrier(d, v);
    }
    begin(v);
    arm(p);
  }
  void onSlice(int p) {
    int v = current[p];
    settle(v);
    if (length[p] == 0) {
      sliceEnd[p] = now + SLICE;
      return arm(p);
    }
    if (doing[v] == HOLDS) holderPreemptions++;
    pcpuOf[v] = -1;
    enqueue(p, v);
    next(p);
  }
  void run(long events) {
    for (long i = 0; i < events; i++) {
      int p = slots.first();
      now = slots.time[p];
      int kind = slots.kind[p];
      hash = digest(hash, now, kind, p);
      if (kind == KIND_WORK) onWork(p);
      else onSlice(p);
    }
  }
};

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: mini2l PCPUS DOMAINS VCPUS SECTIONS SEED EVENTS\n");
    return 2;
  }
  makeTable();
  long events = std::atol(argv[6]);
  Mini mini(std::atoi(argv[1]), std::atoi(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]), (uint32_t)std::atol(argv[5]));
  auto cpu = std::clock();
  mini.run(events);
  double seconds = double(std::clock() - cpu) / CLOCKS_PER_SEC;
  std::printf(
      "{\"digest\":%u,\"simulatedNs\":%.0f,\"sections\":%ld,\"holderPreemptions\":%ld,\"waiterPreemptions\":%ld,\"seconds\":%.6f}\n",
      mini.hash, mini.now, mini.sections, mini.holderPreemptions, mini.waiterPreemptions, seconds);
}
