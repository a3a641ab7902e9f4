// An exponential race: the L smallest keys log E − log w in ascending order are L successive draws without replacement
// ∝ w. In logs, in double precision, nothing overflows and no two keys meet.
#include "rcekd/horizon.h"

#include "simd.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

struct Entry {
    double key;
    int32_t position;
    bool after(const Entry& other) const { return key > other.key || (key == other.key && position > other.position); }
};

// A heap with the latest entry on top, holding the `room` earliest offered.
struct Earliest {
    Entry* entry;
    int64_t room, count;

    void offer(const Entry& e) {
        if (count < room) {
            int64_t at = count++;
            for (; at && e.after(entry[(at - 1) / 2]); at = (at - 1) / 2) entry[at] = entry[(at - 1) / 2];
            entry[at] = e;
        } else if (room && entry[0].after(e)) {
            sink(e);
        }
    }
    // Puts e in the place of the top.
    void sink(const Entry& e) {
        int64_t at = 0;
        for (;;) {
            int64_t child = 2 * at + 1;
            if (child >= count) break;
            if (child + 1 < count && entry[child + 1].after(entry[child])) ++child;
            if (!entry[child].after(e)) break;
            entry[at] = entry[child];
            at = child;
        }
        entry[at] = e;
    }
    // Takes the latest away.
    Entry pop() {
        const Entry top = entry[0], last = entry[--count];
        if (count) sink(last);
        return top;
    }
};

// Lists no longer than this are ordered by counting, for each key, the keys before it: quadratic, but without a branch.
constexpr int64_t kCounted = 512;

struct Worker {
    const rcekd_horizon_args& a;
    uint64_t* taught;   // [n_items / 64 + 1] bits, all clear between rows
    double* key;        // [listed]
    int32_t* position;  // [listed]: where the keyed items stand in the list
    Entry* heap;        // [draws]

    bool has(int flag) const { return (a.flags & flag) != 0; }
    bool is_taught(int32_t item) const { return taught[item >> 6] >> (item & 63) & 1; }

    void mark(const int32_t* teacher) {
        for (int64_t k = 0; k < a.taught; ++k)
            if (teacher[k] >= 0) taught[teacher[k] >> 6] |= (uint64_t)1 << (teacher[k] & 63);
    }
    void unmark(const int32_t* teacher) {
        for (int64_t k = 0; k < a.taught; ++k)
            if (teacher[k] >= 0) taught[teacher[k] >> 6] = 0;
    }
    // Minus log w of every item that can be drawn, into key and position; returns how many.
    int64_t weigh(const int32_t* student) {
        int64_t below = 0, count = a.listed;
        for (int64_t p = a.listed - 1; p >= 0; --p) {
            const bool known = student[p] >= 0 && is_taught(student[p]);
            const bool raises = known && (!has(RCEKD_HORIZON_MISSING) || p >= a.top_k);
            const int64_t z = has(RCEKD_HORIZON_INCLUSIVE) ? below + raises : below;
            below += raises;
            if (student[p] < 0 || (known && has(RCEKD_HORIZON_EXCLUDE_TEACHER))) continue;
            key[--count] = (has(RCEKD_HORIZON_BY_RANK) ? (double)(p + 1) : -(double)(z < a.clip ? z : a.clip)) / a.tau;
            position[count] = (int32_t)p;
        }
        return move_down(count);
    }
    // The filled ends of key and position go to their fronts.
    int64_t move_down(int64_t from) {
        const int64_t n = a.listed - from;
        memmove(key, key + from, sizeof(double) * (size_t)n);
        memmove(position, position + from, sizeof(int32_t) * (size_t)n);
        return n;
    }
    void draw(int64_t row) {
        const int32_t *student = a.student + row * a.listed, *teacher = a.teacher + row * a.taught;
        const uint32_t user = (uint32_t)(a.user ? a.user[row] : (int32_t)row);
        mark(teacher);
        const int64_t n = weigh(student);
        unmark(teacher);
        for (int64_t i = 0; i < n; ++i) key[i] += rcekd_horizon_log_exponential(a.key, user, (uint32_t)position[i]);
        int32_t* item = a.item + row * a.draws;
        for (int64_t l = n; l < a.draws; ++l) item[l] = -1;
        if (n <= kCounted)
            order_by_counting(student, n, item);
        else
            order_by_heap(student, n, item);
    }
    void order_by_counting(const int32_t* student, int64_t n, int32_t* item) const {
        for (int64_t i = 0; i < n; ++i) {
            int64_t rank = 0;
            for (int64_t j = 0; j < i; ++j) rank += key[j] <= key[i];
            for (int64_t j = i + 1; j < n; ++j) rank += key[j] < key[i];
            if (rank < a.draws) item[rank] = student[position[i]];
        }
    }
    void order_by_heap(const int32_t* student, int64_t n, int32_t* item) {
        Earliest earliest{heap, a.draws, 0};
        for (int64_t i = 0; i < n; ++i) earliest.offer({key[i], position[i]});
        while (earliest.count) {
            const int64_t at = earliest.count - 1;
            item[at] = student[earliest.pop().position];
        }
    }
};

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(horizon)(rcekd_horizon_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_horizon_args& a = *args;
    int status = RCEKD_OK;
#pragma omp parallel num_threads(team(a.threads, a.batch* a.listed, 2048))
    {
        const int64_t words = a.n_items / 64 + 1;
        Workspace<uint64_t> taught(words);
        Workspace<double> key(a.listed);
        Workspace<int32_t> position(a.listed);
        Workspace<Entry> heap(a.draws);
        const bool failed = taught.failed() || key.failed() || position.failed() || heap.failed();
        if (failed) {
#pragma omp atomic write
            status = RCEKD_NO_MEMORY;
        } else {
            memset(taught.data(), 0, sizeof(uint64_t) * (size_t)words);
        }
        Worker worker{a, taught.data(), key.data(), position.data(), heap.data()};
#pragma omp for schedule(dynamic, 16)
        for (int64_t row = 0; row < a.batch; ++row)
            if (!failed) worker.draw(row);
    }
    return status;
}
