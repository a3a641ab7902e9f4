// How many float32 operations a core does in a second when it does nothing but fused multiply-adds: the roof of a
// roofline. Twelve chains of vectors as wide as the machine has, enough to hide the latency of each; nothing is read
// from memory. usage: fma_peak SECONDS -> one line, operations a second (two for each multiply-add)
#include <immintrin.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#if defined(__AVX512F__)
using Vector = __m512;
constexpr int kLanes = 16;
static inline Vector set(float x) { return _mm512_set1_ps(x); }
static inline Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
#else
using Vector = __m256;
constexpr int kLanes = 8;
static inline Vector set(float x) { return _mm256_set1_ps(x); }
static inline Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
#endif

constexpr int kChains = 12;  // AVX2's sixteen registers hold these and the two operands
constexpr long kSteps = 1L << 18;

// `volatile` keeps the compiler from working the sums out in advance.
static volatile float one = 0.999f, little = 1e-3f, sink;

static double round_of_steps() {
    const Vector a = set(one), b = set(little);
    Vector sum[kChains];
    for (int c = 0; c < kChains; ++c) sum[c] = set(static_cast<float>(c));
    const auto begin = std::chrono::steady_clock::now();
    for (long step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12  // only then does every chain stay in a register of its own
        for (int c = 0; c < kChains; ++c) sum[c] = fma(sum[c], a, b);
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    for (int c = 0; c < kChains; ++c) sink = sink + reinterpret_cast<const float*>(&sum[c])[0];
    return 2.0 * kLanes * kChains * kSteps / taken.count();
}

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 1.0;
    const auto begin = std::chrono::steady_clock::now();
    double best = 0.0;
    while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds) {
        const double rate = round_of_steps();
        if (rate > best) best = rate;
    }
    std::printf("%.0f\n", best);
}
