// A user's lists, split and draws, by a block.
#pragma once
#include "closure_pass.h"
#include "pilot.h"

namespace rcekd {
namespace cuda {

// What a block knows of the user it works on, in shared memory.
struct User {
    Field field;
    int64_t n_above, n_listed;
    int32_t n_high, n_taught, n_raising;
};

// Rank keys of items first … end − 1 for a row's user, into all[item].
__device__ inline void score_items(const Pass& p, int64_t row, int64_t first, int64_t end, uint64_t* all) {
    const float* user = p.a.user_factor + (int64_t)p.a.user[row] * p.a.d;
    for (int64_t i = first + threadIdx.x; i < end; i += blockDim.x) {
        const float score = chain(user, p.a.item_factor + i * p.a.d, p.a.d);
        if (!is_finite(score)) note_bad_row(p.scan.bad_row, row);
        all[i] = rcekd_rank_key(score, (int32_t)i);
    }
}

// With kLate it has room for every item's score.
template <bool kLate>
class Worker {
  public:
    __device__ Worker(const Pass& pass, const Rules& rules, const Scratch& scratch, User* user)
        : p_(pass), a_(pass.a), rules_(rules), m_(scratch), u_(user) {}

    // The user of a row, with `above` items above the threshold. False where the user needs more room than there is.
    // Late users' scores are in `all` already, where they are `scored`; the others' items above in `survivor`.
    __device__ bool run(int64_t row, float threshold, int64_t above, const uint64_t* survivor, bool scored) {
        row_ = row;
        const bool fits = a_.high < 0 && above <= p_.plan.limit;
        if (!fits && !kLate) return false;
        const int64_t user = a_.user[row];
        const int32_t* from = a_.seen_indptr ? a_.seen_item + a_.seen_indptr[user] : nullptr;
        const int32_t* to = a_.seen_indptr ? a_.seen_item + a_.seen_indptr[user + 1] : nullptr;
        if (threadIdx.x == 0) {
            *u_ = User();
            u_->field.user = a_.user_factor + user * a_.d;
            u_->field.user_id = (uint32_t)user;
            u_->field.high = m_.high;
        }
        m_.closed.clear(a_.n_items);
        __syncthreads();
        m_.closed.add_all(from, to);
        __syncthreads();
        const uint64_t floor = ((rcekd_rank_key(threshold, 0) >> 32) + 1) << 32;
        if constexpr (kLate) {
            if (!scored) score_alone();
            if (fits)
                gather<kManyAtOnce>(m_.all, a_.n_items, floor, above, floor, threshold);
            else
                look_again(a_.high >= 0 ? a_.high : p_.plan.wanted + (to - from));
        } else {
            gather<kAtOnce>(survivor, above, 0, above, floor, threshold);
        }
        while (u_->field.n_high < a_.k && !u_->field.everything_high)
            if (!lower()) return false;
        list_student();
        const Thresholds thresholds = compare_with_teacher();
        const int64_t drawn = draw(
            rules_, u_->field, thresholds, m_.closed, m_.race, [this] { return lower(); },
            [this](int64_t place, const Arrival& one) {
                a_.draw[row_ * a_.draws + place] = one.item;
                a_.draw_score[row_ * a_.draws + place] = one.score;
            });
        if (drawn < 0) return false;
        for (int64_t i = drawn + threadIdx.x; i < a_.draws; i += blockDim.x)
            a_.draw[row_ * a_.draws + i] = -1, a_.draw_score[row_ * a_.draws + i] = -INFINITY;
        __syncthreads();
        return true;
    }

  private:
    // False where there is no room for it.
    __device__ bool lower() {
        if constexpr (kLate) look_again(4 * u_->n_above > a_.k ? 4 * u_->n_above : a_.k);
        return kLate;
    }

    // Takes the best `wanted` of all items as high, whatever they were before.
    __device__ void look_again(int64_t wanted) {
        if (wanted > a_.n_items / 2) wanted = a_.n_items;
        const bool some = wanted > 0 && wanted < a_.n_items;
        const uint64_t cut = some         ? kth_largest<kManyAtOnce>(m_.all, a_.n_items, wanted, true)
                             : wanted > 0 ? 0
                                          : ~(uint64_t)0;
        gather<kManyAtOnce>(m_.all, a_.n_items, cut, wanted, cut, wanted > 0 ? rcekd_rank_score(cut) : INFINITY);
    }

    // The open ones of n keys from `cut` on become high; n_above are there in all.
    template <int kBatch>
    __device__ void gather(const uint64_t* key, int64_t n, uint64_t cut, int64_t n_above, uint64_t floor,
                           float floor_score) {
        __syncthreads();
        if (threadIdx.x == 0) u_->n_high = 0;
        __syncthreads();
        const auto open = [&](uint64_t one) { return one >= cut && !m_.closed.has(rcekd_rank_id(one)); };
        append_wanted<kBatch>(key, n, open, m_.high, &u_->n_high);
        __syncthreads();
        if (threadIdx.x == 0) {
            u_->n_above = n_above;
            u_->field.n_high = u_->n_high;
            u_->field.floor = floor;
            u_->field.floor_score = floor_score;
            u_->field.everything_high = n_above == a_.n_items;
        }
        __syncthreads();
    }

    __device__ void score_alone() {
        score_items(p_, row_, 0, a_.n_items, m_.all);
        __syncthreads();
    }

    __device__ void list_student() {
        const int64_t n = u_->field.n_high, listed = n < a_.k ? n : a_.k;
        const uint64_t* high = m_.high;
        const uint64_t last = n > a_.k ? kth_largest(high, n, a_.k, false) : 0;
        __shared__ int32_t count;
        if (threadIdx.x == 0) count = 0, u_->n_listed = listed;
        __syncthreads();
        append_wanted(high, n, [last](uint64_t one) { return one >= last; }, m_.list, &count);
        sort_distinct(m_.list, listed, Descending());
        for (int64_t i = threadIdx.x; i < a_.k; i += blockDim.x) {
            a_.student_item[row_ * a_.k + i] = i < listed ? rcekd_rank_id(m_.list[i]) : -1;
            a_.student_score[row_ * a_.k + i] = i < listed ? rcekd_rank_score(m_.list[i]) : -INFINITY;
        }
    }

    // Which of the teacher's items the student lists, and what the others raise. A repeated id counts once.
    __device__ Thresholds compare_with_teacher() {
        const int32_t* teacher = a_.teacher_item + row_ * a_.k;
        uint8_t* mastered = a_.mastered + row_ * a_.k;
        // With fewer than K candidates the student lists them all.
        const uint64_t last = u_->n_listed == a_.k ? m_.list[u_->n_listed - 1] : 0;
        for (int64_t i = threadIdx.x; i < a_.k; i += blockDim.x) {
            const int32_t item = teacher_id(a_, row_ * a_.k + i);
            const float score = item < 0 ? 0.0f : chain_apart(u_->field.user, a_.item_factor + item * a_.d, a_.d);
            m_.taught_score[i] = score;
            mastered[i] = item >= 0 && !m_.closed.has(item) && rcekd_rank_key(score, item) >= last;
        }
        __syncthreads();
        for (int64_t i = threadIdx.x; i < a_.k; i += blockDim.x) {
            if (teacher[i] < 0 || !m_.closed.add(teacher[i])) continue;  // seen, or met before
            m_.taught[atomicAdd(&u_->n_taught, 1)] = teacher[i];
            if (a_.all_raise || !mastered[i])
                m_.raising[atomicAdd(&u_->n_raising, 1)] = as_threshold(m_.taught_score[i], a_.inclusive);
        }
        __syncthreads();
        if (!a_.exclude_teacher)
            for (int64_t i = threadIdx.x; i < u_->n_taught; i += blockDim.x) m_.closed.drop(m_.taught[i]);
        return close_thresholds(m_.raising, u_->n_raising, a_.clip);
    }

    const Pass& p_;
    const rcekd_closure_args& a_;
    const Rules& rules_;
    const Scratch& m_;
    User* u_;
    int64_t row_ = 0;
};

}  // namespace cuda
}  // namespace rcekd
