// The natural logarithm in double precision, of a number or of a long product: the same bits on every processor, by
// additions, products and one division, no fused operation and no library call (compile with -ffp-contract=off, or
// -fmad=false for device code).
#pragma once
#include <string.h>

#include "rcekd/common.h"

// x positive, finite and normal. x = 2^k (1 + f) with 1 + f in [√½, √2); log(1 + f) = 2 artanh(f / (2 + f)).
RCEKD_HD double rcekd_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    bits += 0x3FF0000000000000ull - 0x3FE6A09E667F3BCDull;  // so that the exponent field counts from √½
    const double k = (double)(int64_t)(bits >> 52) - 1023.0;
    bits = (bits & 0x000FFFFFFFFFFFFFull) + 0x3FE6A09E667F3BCDull;
    double m;
    memcpy(&m, &bits, 8);
    const double f = m - 1.0, s = f / (2.0 + f), q = s * s;
    double p = 1.0 / 23.0;
    p = p * q + 1.0 / 21.0;
    p = p * q + 1.0 / 19.0;
    p = p * q + 1.0 / 17.0;
    p = p * q + 1.0 / 15.0;
    p = p * q + 1.0 / 13.0;
    p = p * q + 1.0 / 11.0;
    p = p * q + 1.0 / 9.0;
    p = p * q + 1.0 / 7.0;
    p = p * q + 1.0 / 5.0;
    p = p * q + 1.0 / 3.0;
    const double twice = s + s;
    const double low = twice * (q * p) + k * 1.90821492927058770002e-10;  // ln 2 in two parts: k · high is exact
    return k * 6.93147180369123816490e-01 + (twice + low);
}

// A product of numbers of at least 1, that may itself be beyond all doubles: factor · 2^exponent.
typedef struct {
    double factor;
    int64_t exponent;
} rcekd_product;

// Moves the factor back into [1, 2); due before its own exponent comes to 1024.
RCEKD_HD rcekd_product rcekd_normalised(rcekd_product p) {
    uint64_t bits;
    memcpy(&bits, &p.factor, 8);
    p.exponent += (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0x000FFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
    memcpy(&p.factor, &bits, 8);
    return p;
}

RCEKD_HD double rcekd_log_of_product(rcekd_product p) {
    return rcekd_log(p.factor) + (double)p.exponent * 6.93147180559945309417e-01;
}
