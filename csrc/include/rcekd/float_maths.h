// Single-precision functions, one number at a time: the same operations in the same order as csrc/cpu/lanes.h does
// sixteen at a time, so the same bits.
#pragma once
#include <math.h>
#include <string.h>

#include "rcekd/common.h"

// e^x for x ≤ 0, within about one unit in the last place; 0 below −87, NaN for NaN.
RCEKD_HD float rcekd_exp_nonpositive_float(float x) {
    const float magic = 12582912.0f;  // 1.5 · 2^23: adding it rounds to an integer
    const float c = -87.0f > x ? -87.0f : x;
    const float t = fmaf(c, 1.44269504088896341f, magic);
    const float n = t - magic;
    float r = fmaf(n, -0.693359375f, c);
    r = fmaf(n, 2.12194440e-4f, r);
    float p = fmaf(1.9875691500e-4f, r, 1.3981999507e-3f);
    p = fmaf(p, r, 8.3334519073e-3f);
    p = fmaf(p, r, 4.1665795894e-2f);
    p = fmaf(p, r, 1.6666665459e-1f);
    p = fmaf(p, r, 5.0000001201e-1f);
    p = fmaf(p, r * r, r) + 1.0f;
    uint32_t bits, exponent;
    memcpy(&bits, &p, 4);
    memcpy(&exponent, &t, 4);
    bits += exponent << 23;  // p · 2^n, n the integer in the low mantissa bits of t
    memcpy(&p, &bits, 4);
    return (x < -87.0f ? 0.0f : p) + (c - c);  // c − c carries a NaN over
}

// log(1 + e) for 0 ≤ e ≤ 1, as 2 artanh(e / (2 + e)): relative accuracy even for tiny e.
RCEKD_HD float rcekd_log1p_unit_float(float e) {
    const float s = e / (e + 2.0f);
    const float q = s * s;
    float p = fmaf(1.0f / 15.0f, q, 1.0f / 13.0f);
    p = fmaf(p, q, 1.0f / 11.0f);
    p = fmaf(p, q, 1.0f / 9.0f);
    p = fmaf(p, q, 1.0f / 7.0f);
    p = fmaf(p, q, 1.0f / 5.0f);
    p = fmaf(p, q, 1.0f / 3.0f);
    const float twice = s + s;
    return fmaf(twice * q, p, twice);
}
