// Sixteen lanes a row, as in csrc/cpu/plackett_luce.cpp; the first of them alone goes from place to place.
#include "rcekd/float_maths.h"
#include "rcekd/maths.h"
#include "rcekd/plackett_luce.h"
#include "segments.h"

namespace rcekd {
namespace cuda {
namespace {

// What comes from behind: the largest score, −FLT_MAX while there is none, and the sum relative to it.
struct Tail {
    float top;
    double sum;
};

// A row beyond the last has no places, and its lanes take part with nothing.
struct Row {
    const float* score;
    const uint8_t* mask;
    int64_t width, positives;
    float* slope;  // on the way e^{s_i − m_k}
    float* drop;   // [positives]: e^{m_{k+1} − m_k}
    float* sum;    // [positives]: r_k, infinite where the place does not count; its inverse; then p_k
    float* rest;   // [positives]: r_k without the place's own share, then relative to r_k

    __device__ float counted(int64_t i) const { return mask[i] ? score[i] : -INFINITY; }
};

// Of the others, whose exponentials go into their slopes.
__device__ inline Tail others(const Row& r, int lane) {
    float top = -FLT_MAX, total = 0.0f;
    for (int64_t i = r.positives + lane; i < r.width; i += kLanes) top = r.counted(i) > top ? r.counted(i) : top;
    top = largest_lane(top);
    for (int64_t i = r.positives + lane; i < r.width; i += kLanes) {
        r.slope[i] = rcekd_exp_nonpositive_float(r.counted(i) - top);
        total = total + r.slope[i];
    }
    return {top, (double)sum_lanes(total)};
}

// Exponents of the ranked places into slope and drop, last to first; returns Σ_k (m_k − s_k).
__device__ inline double exponents(const Row& r, float top) {
    double below_top = 0.0;
    for (int64_t k = r.positives - 1; k >= 0; --k) {
        const float before = top, score = r.counted(k);
        top = score > top ? score : top;
        r.slope[k] = score - top;
        r.drop[k] = before - top;
        below_top += r.mask[k] ? (double)(top - score) : 0.0;
    }
    return below_top;
}

// Every r_k, last to first; returns the logarithm of the product of those that count.
__device__ inline double sums(const Row& r, double sum) {
    constexpr int64_t kFactors = 16;  // no more than so many together before the product is normalised
    rcekd_product product = {1.0, 0};
    for (int64_t k = r.positives - 1; k >= 0; --k) {
        const double rest = sum * (double)r.drop[k];
        sum = rest + (double)r.slope[k];
        r.rest[k] = (float)rest;
        r.sum[k] = r.mask[k] ? (float)sum : INFINITY;
        product.factor *= r.mask[k] ? sum : 1.0;
        if (k % kFactors == 0) product = rcekd_normalised(product);
    }
    return rcekd_log_of_product(product);
}

// Every p_k in the place of 1 / r_k, first to last; returns the last q.
__device__ inline double prefixes(const Row& r) {
    double q = 0.0;
    for (int64_t k = 0; k < r.positives; ++k) {
        const double earlier = k ? q * (double)r.drop[k - 1] : 0.0;
        q = earlier + (double)r.sum[k];
        r.sum[k] = (float)earlier;
    }
    return q;
}

// Turns r_k into its inverse, the rest into its share; returns Σ 1 / r_k over the places that count.
__device__ inline float inverses(const Row& r, int lane) {
    float total = 0.0f;
    for (int64_t k = lane; k < r.positives; k += kLanes) {
        r.rest[k] = r.rest[k] / r.sum[k];
        r.sum[k] = 1.0f / r.sum[k];
        total = total + r.sum[k];
    }
    return sum_lanes(total);
}

// `instead` of a slope where the row is not sound.
__device__ inline void slopes(const Row& r, int lane, double q, bool sound, float instead) {
    const float rate = (float)(q * (double)(r.positives ? r.drop[r.positives - 1] : 1.0f));
    for (int64_t i = lane; i < r.width; i += kLanes) {
        const float slope = i < r.positives ? r.slope[i] * r.sum[i] - r.rest[i] : r.slope[i] * rate;
        r.slope[i] = !r.mask[i] ? 0.0f : sound ? slope : instead;
    }
}

// Returns the loss, to the first lane.
__device__ inline float visit(const Row& r) {
    const int lane = (int)threadIdx.x % kLanes, first = (int)threadIdx.x % kWarp - lane;
    const Tail tail = others(r, lane);
    double loss = lane ? 0.0 : exponents(r, tail.top);
    __syncwarp();
    for (int64_t k = lane; k < r.positives; k += kLanes) {
        r.slope[k] = rcekd_exp_nonpositive_float(r.slope[k]);
        r.drop[k] = rcekd_exp_nonpositive_float(r.drop[k]);
    }
    __syncwarp();
    if (!lane) loss = loss + sums(r, tail.sum);
    __syncwarp();
    const float total = inverses(r, lane);
    const bool sound = total > 0.0f && total <= FLT_MAX;
    const float instead = total == 0.0f ? 0.0f : NAN;  // no ranked place counts, or the probability is no number
    __syncwarp();
    double q = lane ? 0.0 : prefixes(r);
    __syncwarp();
    q = __shfl_sync(kAllLanes, q, first);
    slopes(r, lane, q, sound, instead);
    return sound ? (float)loss : instead;
}

// Both halves of a warp stay together, so that all lanes take part in every exchange.
__global__ void plackett_luce_kernel(rcekd_plackett_luce_args a, float* room) {
    const int64_t step = index_step() / kLanes, rounds = ceil_div(a.rows, step);
    for (int64_t round = 0; round < rounds; ++round) {
        const int64_t row = first_index() / kLanes + round * step, at = row < a.rows ? row : 0;
        const int64_t width = row < a.rows ? a.width : 0, positives = row < a.rows ? a.positives : 0;
        float* mine = room + 3 * at * a.positives;
        const float loss = visit({a.score + at * a.width, a.mask + at * a.width, width, positives,
                                  a.slope + at * a.width, mine, mine + a.positives, mine + 2 * a.positives});
        if (row < a.rows && threadIdx.x % kLanes == 0) a.loss[row] = loss;
    }
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_plackett_luce_workspace(const rcekd_plackett_luce_args* a) {
    rcekd::cuda::Carver carver(nullptr);
    carver.take<float>(3 * a->rows * a->positives);
    return carver.used();
}

extern "C" int rcekd_cuda_plackett_luce(const rcekd_plackett_luce_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    Carver carver(call->workspace);
    float* room = carver.take<float>(3 * a->rows * a->positives);
    RCEKD_LAUNCH(plackett_luce_kernel, blocks_of(a->rows * kLanes), kThreads, call->stream, *a, room);
    return (int)cudaGetLastError();
}
