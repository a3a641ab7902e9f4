// What a call of the closure pass is made of: where things lie on the device, and how much room a user has.
#pragma once
#include "demand.h"
#include "race.h"
#include "rcekd/closure.h"
#include "rcekd/closure_plan.h"
#include "scan.h"

namespace rcekd {
namespace cuda {

constexpr int kThresholdThreads = 64;   // much of it one thread does alone
constexpr int kHeld = 1024;             // high items in shared memory, if there are no more
constexpr int kShort = 128;             // K and L up to which all lists are there too
constexpr int kHeldMarks = 65536 / 32;  // words of the closed items' marks

// What a block works on.
struct Scratch {
    uint64_t *all, *high;  // rank keys of every item, for a user alone; of the candidates that are high
    uint64_t* list;        // the student's top-K
    float *raising, *taught_score;
    int32_t* taught;  // teacher items that are candidates, each once
    RaceMemory race;
    Marks closed;
};

// The part of it that is in shared memory.
struct Held {
    uint64_t high[kHeld], early[kHeld], list[kShort];
    Arrival arrived[kShort + kTies], low[kShort];
    float raising[2 * kShort], taught_score[kShort];
    int32_t taught[kShort];
    unsigned closed[kHeldMarks];
};

struct Late {
    int64_t row;
    float threshold;
    int32_t above;
};

struct Arrays {
    double *log_weight, *accept;     // [k + 1]
    int32_t* pilot;                  // [plan.size]
    float *pilot_score, *threshold;  // [rows of a chunk, plan.size]; [rows of a chunk]
    Late* late;                      // [rows]: users for the second kernel
    int32_t* n_late;                 // how many
    char *scratch, *late_scratch;    // [blocks][scratch_bytes], [late_blocks][late_bytes]
};

struct Pass {
    rcekd_closure_args a;
    rcekd_closure_plan plan;
    Arrays arrays;
    ScanTask scan;
    int64_t chunk, blocks, scratch_high, scratch_bytes, late_blocks, late_bytes;
};

// Room for `high` high items, and for every item's score where `everything` is wanted.
RCEKD_HD Scratch carve_scratch(const rcekd_closure_args& a, int64_t high, bool everything, Carver* carver) {
    Scratch s;
    s.all = carver->take<uint64_t>(everything ? a.n_items : 0);
    s.high = carver->take<uint64_t>(high);
    s.list = carver->take<uint64_t>(a.k);
    s.raising = carver->take<float>(thresholds_room(a.k));
    s.taught_score = carver->take<float>(a.k);
    s.taught = carver->take<int32_t>(a.k);
    s.race.early = carver->take<uint64_t>(high);
    s.race.high = carver->take<Arrival>(a.draws + kTies);
    s.race.low = carver->take<Arrival>(a.draws);
    s.closed.word = carver->take<unsigned>(Marks::words(a.n_items));
    return s;
}

inline int64_t scratch_bytes(const rcekd_closure_args& a, int64_t high, bool everything) {
    Carver one(nullptr);
    carve_scratch(a, high, everything, &one);
    return one.used();
}

// An item of a teacher's list, looked at before anything is read with it.
__device__ inline int32_t teacher_id(const rcekd_closure_args& a, int64_t at) {
    const int32_t item = a.teacher_item[at];
    demand(item >= -1 && item < a.n_items, "closure: teacher_item_BK must lie in [-1, n_items)");
    return item;
}

// Lays a call out in the workspace at `start`; with a null one it measures.
inline Pass lay_out(const rcekd_closure_args& a, void* start, int64_t* bytes) {
    constexpr int64_t kChunkBytes = (int64_t)512 << 20, kScratchBytes = (int64_t)768 << 20, kMostBlocks = 4096;
    Pass p;
    p.a = a;
    p.plan = rcekd_make_closure_plan(a.n_items, a.k, a.draws);
    const int64_t limit = p.plan.limit > 0 ? p.plan.limit : 1;
    const int64_t each = 8 * limit + 4 * p.plan.size + 2 * scan_width(a.d), fit = at_once(INT64_MAX, each, kChunkBytes);
    p.chunk = even_chunk(a.rows, fit);
    p.scratch_high = limit > p.plan.size ? limit : p.plan.size;  // the pilot's best want room there, too
    p.scratch_bytes = scratch_bytes(a, p.scratch_high, false);
    p.blocks = blocks_for(p.chunk, at_once(kMostBlocks, p.scratch_bytes, kScratchBytes));
    p.late_bytes = scratch_bytes(a, a.n_items, true);
    p.late_blocks = (int64_t)blocks_for(a.rows, at_once(kMostBlocks, p.late_bytes));
    Carver carver(start);
    p.arrays.log_weight = carver.take<double>(a.k + 1);
    p.arrays.accept = carver.take<double>(a.k + 1);
    p.arrays.pilot = carver.take<int32_t>(p.plan.size);
    p.arrays.pilot_score = carver.take<float>(p.chunk * p.plan.size);
    p.arrays.threshold = carver.take<float>(p.chunk);
    p.arrays.late = carver.take<Late>(a.rows);
    p.arrays.n_late = carver.take<int32_t>(1);
    p.scan.threshold = p.arrays.threshold;
    p.scan.limit = limit;
    p.scan.count = carver.take<int32_t>(p.chunk);
    p.scan.survivor = carver.take<uint64_t>(p.chunk * limit);
    carve_scan(&p.scan, p.chunk, a.n_items, a.d, &carver);
    p.arrays.scratch = carver.take<char>(p.blocks * p.scratch_bytes);
    p.arrays.late_scratch = carver.take<char>(p.late_blocks * p.late_bytes);
    *bytes = carver.used();
    return p;
}

}  // namespace cuda
}  // namespace rcekd
