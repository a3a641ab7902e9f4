// Samples are taken in the order of their users: one visit computes sixteen samples' scores and adds their share of the
// users' gradients while the rows are in cache. Items follow, each summed by one thread over its slots in ascending
// order. A slot is b · (1 + N) for the positive of sample b, then its N negatives.
#include "rcekd/bpr.h"

#include "lanes.h"
#include "rcekd/loss_sum.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

using namespace lanes;

struct Batch {
    const rcekd_bpr_args& a;
    const Groups& users;
    const Groups& items;
    float* weight;  // [batch · (1 + N)]: d loss / d score
    float* loss;    // [batch]

    int64_t slots() const { return 1 + a.negatives; }
    const float* user(int64_t b) const { return a.user_factor + a.user[b] * a.width; }
    const float* positive(int64_t b) const { return a.item_factor + a.positive[b] * a.width; }
    const float* negative(int64_t b, int64_t n) const {
        return a.item_factor + a.negative[b * a.negatives + n] * a.width;
    }
};

// Loss and score weights of up to sixteen samples.
void score(const Batch& t, const int32_t* sample, int count) {
    const float *user[kWide], *item[kWide];
    for (int i = 0; i < kWide; ++i) {
        user[i] = t.user(sample[i < count ? i : 0]);
        item[i] = t.positive(sample[i < count ? i : 0]);
    }
    const F16 positive = scores_of_pairs(user, item, t.a.width);
    const float share = 1.0f / (float)t.a.negatives;
    F16 loss = F16::fill(0.0f), total = F16::fill(0.0f);
    float lane[kWide];
    for (int64_t n = 0; n < t.a.negatives; ++n) {
        for (int i = 0; i < kWide; ++i) item[i] = t.negative(sample[i < count ? i : 0], n);
        const F16 x = sub(scores_of_pairs(user, item, t.a.width), positive);
        const F16 e = exp_nonpositive(sub(F16::fill(0.0f), magnitude(x)));
        const F16 inverse = div(F16::fill(1.0f), add(e, F16::fill(1.0f)));
        const F16 g = mul(where_negative(x, mul(e, inverse), inverse), F16::fill(share));
        loss = add(loss, add(larger(F16::fill(0.0f), x), log1p_unit(e)));
        total = add(total, g);
        g.store(lane);
        for (int i = 0; i < count; ++i) t.weight[sample[i] * t.slots() + 1 + n] = lane[i];
    }
    total.store(lane);
    for (int i = 0; i < count; ++i) t.weight[sample[i] * t.slots()] = -lane[i];
    mul(loss, F16::fill(share)).store(lane);
    for (int i = 0; i < count; ++i) t.loss[sample[i]] = lane[i];
}

// grad (+)= Σ weight · item over the slots of one sample.
void add_sample(const Batch& t, int64_t b, bool first, float* grad) {
    const float* weight = t.weight + b * t.slots();
    for (int64_t k = 0; k < t.a.width; k += kWide) {
        const int64_t n = t.a.width - k;
        F16 sum = first ? F16::fill(0.0f) : F16::load(grad + k, n);
        sum = fma(F16::fill(weight[0]), F16::load(t.positive(b) + k, n), sum);
        for (int64_t j = 0; j < t.a.negatives; ++j)
            sum = fma(F16::fill(weight[1 + j]), F16::load(t.negative(b, j) + k, n), sum);
        sum.store(grad + k, n);
    }
}

// Samples of user groups [first, last): losses, weights, and the users' gradients where wanted.
void visit_users(const Batch& t, int64_t first, int64_t last) {
    const int32_t* start = t.users.start.data();
    const int32_t* sample = t.users.slot.data();
    int64_t group = first;
    for (int64_t s = start[first]; s < start[last]; s += kWide) {
        const int count = start[last] - s < kWide ? (int)(start[last] - s) : kWide;
        score(t, sample + s, count);
        if (!t.a.user_grad) continue;
        for (int64_t i = s; i < s + count; ++i) {
            while (i >= start[group + 1]) ++group;
            t.a.user_row[group] = t.users.id[group];
            add_sample(t, sample[i], i == start[group], t.a.user_grad + group * t.a.width);
        }
    }
}

void visit_items(const Batch& t, int64_t first, int64_t last) {
    for (int64_t group = first; group < last; ++group) {
        const int64_t begin = t.items.start[group], end = t.items.start[group + 1];
        float* grad = t.a.item_grad + group * t.a.width;
        t.a.item_row[group] = t.items.id[group];
        for (int64_t k = 0; k < t.a.width; k += kWide) {
            const int64_t n = t.a.width - k;
            F16 sum = F16::fill(0.0f);
            for (int64_t s = begin; s < end; ++s) {
                const int64_t slot = t.items.slot[s];
                sum = fma(F16::fill(t.weight[slot]), F16::load(t.user(slot / t.slots()) + k, n), sum);
            }
            sum.store(grad + k, n);
        }
    }
}

void group_users(const rcekd_bpr_args& a, Groups& users) {
    for (int64_t b = 0; b < a.batch; ++b) users.key[b] = group_key(a.user[b], b);
    users.sort();
}

void group_items(const rcekd_bpr_args& a, Groups& items) {
    int64_t slot = 0;
    for (int64_t b = 0; b < a.batch; ++b) {
        items.key[slot] = group_key(a.positive[b], slot);
        ++slot;
        for (int64_t n = 0; n < a.negatives; ++n, ++slot)
            items.key[slot] = group_key(a.negative[b * a.negatives + n], slot);
    }
    items.sort();
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(bpr)(rcekd_bpr_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_bpr_args& a = *args;
    const int64_t slots = a.batch * (1 + a.negatives);
    Groups users(a.batch), items(a.item_grad ? slots : 0);
    Workspace<float> weight(slots), loss(a.batch);
    if (users.failed() || items.failed() || weight.failed() || loss.failed()) return RCEKD_NO_MEMORY;
    const Batch batch{a, users, items, weight.data(), loss.data()};
    constexpr int64_t kUsers = 64, kItems = 128;  // groups per turn
#pragma omp parallel num_threads(team(a.threads, slots* a.width, 4096))
    {
#pragma omp sections
        {
#pragma omp section
            group_users(a, users);
#pragma omp section
            if (a.item_grad) group_items(a, items);
        }
#pragma omp for schedule(dynamic)
        for (int64_t g = 0; g < users.groups; g += kUsers)
            visit_users(batch, g, g + kUsers < users.groups ? g + kUsers : users.groups);
#pragma omp for schedule(dynamic)
        for (int64_t g = 0; g < items.groups; g += kItems)
            visit_items(batch, g, g + kItems < items.groups ? g + kItems : items.groups);
    }
    *a.loss = rcekd_sum_losses(loss.data(), a.batch);
    args->user_rows = users.groups;
    args->item_rows = items.groups;
    return RCEKD_OK;
}
