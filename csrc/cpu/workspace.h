// Host scratch memory, and slots grouped by id. No std:: containers or algorithms: their shared template instances
// would be compiled once per instruction set and merged by the linker, so that an old processor could meet new
// instructions.
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace rcekd {
namespace RCEKD_ISA {

// Threads worth waking for `work` units when each should have at least `grain`. RCEKD_WHOLE_TEAMS wakes all of them,
// so that small tests show the races of large inputs.
inline int team(int threads, int64_t work, int64_t grain) {
#ifdef RCEKD_WHOLE_TEAMS
    grain = 1;
#endif
    const int64_t most = work / grain;
    return most < 1 ? 1 : most < threads ? (int)most : threads;
}

template <class T>
class Workspace {
  public:
    explicit Workspace(int64_t n) : data_(nullptr) {
        void* p = nullptr;
        if (posix_memalign(&p, 64, (size_t)(n > 0 ? n : 1) * sizeof(T)) == 0) data_ = (T*)p;
    }
    ~Workspace() { free(data_); }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    bool failed() const { return data_ == nullptr; }
    T* data() { return data_; }
    T& operator[](int64_t i) { return data_[i]; }
    const T* data() const { return data_; }
    const T& operator[](int64_t i) const { return data_[i]; }

  private:
    T* data_;
};

// Slots 0 … n − 1 grouped by id: group g has id `id[g]` and the slots slot[start[g]] … slot[start[g + 1] − 1],
// ascending.
struct Groups {
    Workspace<uint64_t> key, spare;
    Workspace<int32_t> slot, start, id;
    int64_t n, groups = 0;

    explicit Groups(int64_t n) : key(n), spare(n), slot(n), start(n + 1), id(n), n(n) {}
    bool failed() const { return key.failed() || spare.failed() || slot.failed() || start.failed() || id.failed(); }
    // Call after key[s] = id << 32 | s for every slot s in turn.
    void sort() {
        const uint64_t* sorted = radix_sort();
        groups = 0;
        for (int64_t s = 0; s < n; ++s) {
            const int32_t i = (int32_t)(sorted[s] >> 32);
            slot[s] = (int32_t)sorted[s];
            if (s == 0 || i != id[groups - 1]) {
                start[groups] = (int32_t)s;
                id[groups++] = i;
            }
        }
        start[groups] = (int32_t)n;
    }

  private:
    // Least significant digit first, so that slots of one id stay in order.
    const uint64_t* radix_sort() {
        constexpr int kBits = 11;
        uint64_t all = 0;
        for (int64_t s = 0; s < n; ++s) all |= key[s];
        uint64_t *from = key.data(), *to = spare.data();
        for (int shift = 32; shift < 63 && (all >> shift) != 0; shift += kBits) {
            int32_t count[1 << kBits] = {0};
            for (int64_t s = 0; s < n; ++s) ++count[(from[s] >> shift) & ((1 << kBits) - 1)];
            int32_t sum = 0;
            for (int32_t& c : count) {
                const int32_t here = c;
                c = sum;
                sum += here;
            }
            for (int64_t s = 0; s < n; ++s) to[count[(from[s] >> shift) & ((1 << kBits) - 1)]++] = from[s];
            uint64_t* swap = from;
            from = to;
            to = swap;
        }
        return from;
    }
};

inline uint64_t group_key(int32_t id, int64_t slot) { return (uint64_t)(uint32_t)id << 32 | (uint32_t)slot; }

}  // namespace RCEKD_ISA
}  // namespace rcekd
