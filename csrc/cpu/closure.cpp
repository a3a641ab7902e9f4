// The closure pass: per group of users one scan against a threshold, then each user's lists and draws from the few
// hundred items above it (draws.h). A user whose threshold was a bad guess is scored alone, at any floor.
#include "rcekd/closure.h"

#include <omp.h>

#include "draws.h"
#include "pilot.h"
#include "scan.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

// What all threads share.
struct Call {
    const rcekd_closure_args& a;
    Panels items, pilot;
    rcekd_closure_plan plan;
    Rules rules;
};

// One thread's scratch memory.
struct Memory {
    Group group;
    float *pilot_score, *pilot_copy, *pilot_spare;  // [rows][pilot]; one row
    float *score, *score_copy, *score_spare;        // candidates among the high items
    int32_t* item;
    uint64_t* all;                   // rank keys of every item, for a user alone
    uint64_t *list, *list_spare;     // rank keys of the best candidates, the student's top-K in front
    float *raising, *raising_spare;  // Thresholds
    float* taught_score;             // [rows][k] the student's scores of the teacher's items
    int32_t* taught;                 // those that are candidates, each once
    RaceMemory race;
    Arrival* drawn;
    uint64_t* mark;

    Memory(const rcekd_closure_args& a, const rcekd_closure_plan& plan, int64_t rows, Arena* arena)
        : group(make_group(rows, a.d, plan.limit + 2 * kPanel, arena)), race(a.n_items, a.draws, arena) {
        const int64_t n = a.n_items + Vec::width;
        pilot_score = arena->take<float>(rows * plan.size + Vec::width);
        pilot_copy = arena->take<float>(plan.size + Vec::width);
        pilot_spare = arena->take<float>(plan.size + Vec::width);
        score = arena->take<float>(n);
        score_copy = arena->take<float>(n);
        score_spare = arena->take<float>(n);
        item = arena->take<int32_t>(n);
        all = arena->take<uint64_t>(a.n_items);
        list = arena->take<uint64_t>(n);
        list_spare = arena->take<uint64_t>(n);
        raising = arena->take<float>(Thresholds::room(a.k));
        raising_spare = arena->take<float>(a.k);
        taught_score = arena->take<float>(rows * a.k);
        taught = arena->take<int32_t>(a.k);
        drawn = arena->take<Arrival>(a.draws);
        mark = arena->take<uint64_t>(Marks::words(a.n_items));
    }
};

class Worker {
  public:
    Worker(const Call& call, const Memory& memory)
        : c_(call),
          a_(call.a),
          m_(memory),
          group_(memory.group),
          closed_(memory.mark, call.a.n_items),
          thresholds_(memory.raising, memory.raising_spare, call.a.inclusive != 0, call.a.clip),
          draws_(call.rules, memory.race, &closed_, &thresholds_) {}

    void run(int64_t begin, int64_t rows) {
        load_users(a_.user_factor, a_.user, begin, rows, a_.d, &group_);
        if (a_.n_items > 0)
            for (int64_t r = 0; r < rows; ++r) score_teacher(begin + r, r);
        if (a_.high < 0) {
            if (c_.plan.size > 0) set_thresholds(begin, rows);
            scan(c_.items, &group_, [this](int64_t row) { group_.threshold[row] = INFINITY; });
        }
        for (int64_t r = 0; r < rows; ++r) finish(begin + r, r);
    }

  private:
    const int32_t* seen_from(int64_t row) const {
        return a_.seen_indptr ? a_.seen_item + a_.seen_indptr[a_.user[row]] : nullptr;
    }
    const int32_t* seen_to(int64_t row) const {
        return a_.seen_indptr ? a_.seen_item + a_.seen_indptr[a_.user[row] + 1] : nullptr;
    }

    void set_thresholds(int64_t begin, int64_t rows) {
        score_pilot(c_.pilot, group_, m_.pilot_score);
        for (int64_t r = 0; r < rows; ++r) {
            const int32_t* teacher = a_.teacher_item + (begin + r) * a_.k;
            thresholds_.clear();
            for (int64_t i = 0; i < a_.k; ++i)
                if (teacher[i] >= 0) thresholds_.add(m_.taught_score[r * a_.k + i]);
            thresholds_.close();
            group_.threshold[r] =
                choose_threshold(c_.plan, thresholds_, c_.rules.accept, seen_to(begin + r) - seen_from(begin + r),
                                 a_.draws, a_.d, m_.pilot_score + r * c_.pilot.n, m_.pilot_copy, m_.pilot_spare);
        }
    }

    // The student's scores of the teacher's list; of a missing item, anything.
    void score_teacher(int64_t row, int64_t r) {
        constexpr int kStep = 8;
        const float* user = a_.user_factor + (int64_t)a_.user[row] * a_.d;
        const int32_t* teacher = a_.teacher_item + row * a_.k;
        for (int64_t from = 0; from < a_.k; from += kStep) {
            int32_t item[kStep];
            float score[kStep];
            for (int i = 0; i < kStep; ++i) item[i] = from + i < a_.k ? std::max(teacher[from + i], 0) : 0;
            chains<kStep>(user, a_.item_factor, item, a_.d, score);
            for (int i = 0; i < kStep && from + i < a_.k; ++i) m_.taught_score[r * a_.k + from + i] = score[i];
        }
    }

    void finish(int64_t row, int64_t r) {
        row_ = row;
        scored_ = false;
        const int32_t *from = seen_from(row), *to = seen_to(row);
        field_.user = a_.user_factor + (int64_t)a_.user[row] * a_.d;
        field_.user_id = a_.user[row];
        field_.score = m_.score;
        field_.item = m_.item;
        closed_.set(from, to);
        if (a_.high >= 0 || !collect(r)) look_again(a_.high >= 0 ? a_.high : c_.plan.wanted + (to - from));
        while (field_.n_high < a_.k && !field_.everything_high) lower();
        list_student();
        compare_with_teacher(r);
        write_draws(draws_.run(&field_, m_.drawn, [this] { lower(); }));
        closed_.clear(from, to);
    }

    void lower() { look_again(std::max(4 * n_above_, a_.k)); }

    // Takes the scan's survivors; false when the buffer overflowed.
    bool collect(int64_t r) {
        const float* score = group_.score + r * group_.capacity;
        const int32_t* id = group_.id + r * group_.capacity;
        if (group_.count[r] > group_.capacity - kPanel) return false;
        n_above_ = field_.n_high = 0;
        for (int32_t i = 0; i < group_.count[r]; ++i) {
            if (id[i] >= a_.n_items) break;  // the filling of the last panel
            ++n_above_;
            m_.score[field_.n_high] = score[i] + 0.0f;  // −0 becomes +0, as everywhere else
            m_.item[field_.n_high] = id[i];
            field_.n_high += closed_.has(id[i]) ? 0 : 1;
        }
        if (n_above_ > c_.plan.limit) return false;
        field_.floor_score = group_.threshold[r];
        field_.floor = ((rcekd_rank_key(group_.threshold[r], 0) >> 32) + 1) << 32;
        field_.everything_high = n_above_ == a_.n_items;
        return true;
    }

    // Scores every item for this user and takes the best `wanted` as high, whatever they were before.
    void look_again(int64_t wanted) {
        if (!scored_) score_alone();
        wanted = wanted > a_.n_items / 2 ? a_.n_items : wanted;
        if (wanted > 0 && wanted < a_.n_items) select_first(m_.all, a_.n_items, wanted, Better());
        n_above_ = wanted;
        field_.n_high = 0;
        for (int64_t i = 0; i < wanted; ++i) {
            const int32_t item = rcekd_rank_id(m_.all[i]);
            m_.score[field_.n_high] = rcekd_rank_score(m_.all[i]);
            m_.item[field_.n_high] = item;
            field_.n_high += closed_.has(item) ? 0 : 1;
        }
        field_.everything_high = wanted == a_.n_items;
        field_.floor = wanted > 0 ? m_.all[wanted - 1] : ~(uint64_t)0;
        field_.floor_score = wanted > 0 ? rcekd_rank_score(m_.all[wanted - 1]) : INFINITY;
    }

    void score_alone() {
        float tile[kPanel];
        for (int64_t p = 0; p < c_.items.count(); ++p) {
            Vec acc[kPanelVecs];
            for (int v = 0; v < kPanelVecs; ++v) acc[v] = Vec::fill(0.0f);
            const float* panel = c_.items.data + p * kPanel * a_.d;
            for (int64_t k = 0; k < a_.d; ++k)
                for (int v = 0; v < kPanelVecs; ++v)
                    acc[v] = fma(Vec::fill(field_.user[k]), Vec::load(panel + k * kPanel + v * Vec::width), acc[v]);
            for (int v = 0; v < kPanelVecs; ++v) acc[v].store(tile + v * Vec::width);
            for (int64_t i = p * kPanel; i < std::min((p + 1) * kPanel, a_.n_items); ++i)
                m_.all[i] = rcekd_rank_key(tile[i - p * kPanel], (int32_t)i);
        }
        scored_ = true;
    }

    void list_student() {
        n_listed_ = std::min(a_.k, field_.n_high);
        float last = -INFINITY;
        if (field_.n_high > a_.k) {
            for (int64_t i = 0; i < field_.n_high; ++i) m_.score_copy[i] = m_.score[i];
            last = kth_largest(m_.score_copy, m_.score_spare, field_.n_high, a_.k);
        }
        int64_t n = 0;  // K, and more where several share the last score
        for (int64_t i = 0; i < field_.n_high; ++i) {
            m_.list[n] = rcekd_rank_key(m_.score[i], m_.item[i]);
            n += m_.score[i] >= last ? 1 : 0;
        }
        sort_all(m_.list, n, m_.list_spare, Better());
        int32_t* item = a_.student_item + row_ * a_.k;
        float* score = a_.student_score + row_ * a_.k;
        for (int64_t i = 0; i < a_.k; ++i) {
            item[i] = i < n_listed_ ? rcekd_rank_id(m_.list[i]) : -1;
            score[i] = i < n_listed_ ? rcekd_rank_score(m_.list[i]) : -INFINITY;
        }
    }

    // Which of the teacher's items the student lists, and what the others raise. A repeated id counts once.
    void compare_with_teacher(int64_t r) {
        const int32_t* teacher = a_.teacher_item + row_ * a_.k;
        const float* score = m_.taught_score + r * a_.k;
        uint8_t* mastered = a_.mastered + row_ * a_.k;
        // With fewer than K candidates the student lists them all.
        const uint64_t last = n_listed_ == a_.k ? m_.list[n_listed_ - 1] : 0;
        for (int64_t i = 0; i < a_.k; ++i)
            mastered[i] = teacher[i] >= 0 && !closed_.has(teacher[i]) && rcekd_rank_key(score[i], teacher[i]) >= last;
        thresholds_.clear();
        n_taught_ = 0;
        for (int64_t i = 0; i < a_.k; ++i) {
            if (teacher[i] < 0 || closed_.has(teacher[i])) continue;  // seen, or met before
            closed_.add(teacher[i]);
            m_.taught[n_taught_++] = teacher[i];
            if (a_.all_raise || !mastered[i]) thresholds_.add(score[i]);
        }
        thresholds_.close();
        if (!a_.exclude_teacher) open(m_.taught, n_taught_);
    }

    void open(const int32_t* item, int64_t n) {
        for (int64_t i = 0; i < n; ++i) closed_.drop(item[i]);
    }

    void write_draws(int64_t n) {
        int32_t* item = a_.draw + row_ * a_.draws;
        float* score = a_.draw_score + row_ * a_.draws;
        for (int64_t i = 0; i < a_.draws; ++i) {
            item[i] = i < n ? m_.drawn[i].item : -1;
            score[i] = i < n ? m_.drawn[i].score : -INFINITY;
        }
        open(item, n);
        open(m_.taught, n_taught_);
    }

    const Call& c_;
    const rcekd_closure_args& a_;
    Memory m_;
    Group group_;
    Marks closed_;
    Thresholds thresholds_;
    Draws draws_;
    Field field_ = {};
    int64_t row_ = 0, n_above_ = 0, n_listed_ = 0, n_taught_ = 0;
    bool scored_ = false;
};

int closure(rcekd_closure_args* a) {
    const int threads = std::max(1, a->threads);
    const rcekd_closure_plan plan = rcekd_make_closure_plan(a->n_items, a->k, a->draws);
    const int64_t rows = group_size(a->rows, threads, plan.limit + 2 * kPanel);
    Arena measure(nullptr);
    Memory(*a, plan, rows, &measure);
    Workspace<float> panels(panels_size(a->n_items, a->d)), pilot(panels_size(plan.size, a->d));
    Workspace<int32_t> chosen(plan.size);
    Workspace<double> log_weight(a->k + 1), accept(a->k + 1);
    Workspace<char> scratch(threads * measure.used());
    if (panels.failed() || pilot.failed() || chosen.failed() || log_weight.failed() || accept.failed() ||
        scratch.failed())
        return RCEKD_NO_MEMORY;
    a->bad_row = first_bad_row(a->user_factor, a->user, a->rows, a->item_factor, a->n_items, a->d, threads);
    if (a->bad_row < a->rows) return RCEKD_NAN;

    choose_pilot(rcekd_key(a->seed, a->epoch, RCEKD_STREAM_PILOT), a->n_items, plan.size, chosen.data());
    pack_panels(a->item_factor, nullptr, a->n_items, a->d, threads, panels.data());
    pack_panels(a->item_factor, chosen.data(), plan.size, a->d, 1, pilot.data());
    for (int64_t z = 0; z <= a->k; ++z) {
        log_weight[z] = (double)z / a->tau;
        accept[z] = rcekd_exp_nonpositive(-(double)z / a->tau);
    }
    const Rules rules{a->item_factor,
                      a->n_items,
                      a->d,
                      a->draws,
                      rcekd_key(a->seed, a->epoch, RCEKD_STREAM_CLOSURE_HIGH),
                      rcekd_key(a->seed, a->epoch, RCEKD_STREAM_CLOSURE_LOW),
                      log_weight.data(),
                      accept.data()};
    const Call call{*a, {panels.data(), a->n_items, a->d}, {pilot.data(), plan.size, a->d}, plan, rules};
#pragma omp parallel num_threads(threads)
    {
        Arena arena(scratch.data() + omp_get_thread_num() * measure.used());
        Worker worker(call, Memory(*a, plan, rows, &arena));
#pragma omp for schedule(dynamic, 1)
        for (int64_t first = 0; first < a->rows; first += rows) worker.run(first, std::min(rows, a->rows - first));
    }
    return RCEKD_OK;
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(closure)(rcekd_closure_args* args) { return rcekd::RCEKD_ISA::closure(args); }
