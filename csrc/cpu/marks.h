// A set of item ids as one bit each: filled from a user's list, asked, and emptied by the same list.
#pragma once
#include <stdint.h>

#include <algorithm>

#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {

class Marks {
  public:
    static int64_t words(int64_t n_items) { return n_items / 64 + 1; }

    Marks(uint64_t* word, int64_t n_items) : word_(word) { std::fill(word, word + words(n_items), 0); }
    void add(int32_t id) { word_[id >> 6] |= (uint64_t)1 << (id & 63); }
    void drop(int32_t id) { word_[id >> 6] &= ~((uint64_t)1 << (id & 63)); }
    bool has(int32_t id) const { return word_[id >> 6] >> (id & 63) & 1; }
    void set(const int32_t* from, const int32_t* to) {
        for (; from != to; ++from) add(*from);
    }
    void clear(const int32_t* from, const int32_t* to) {
        for (; from != to; ++from) drop(*from);
    }

  private:
    uint64_t* word_;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
