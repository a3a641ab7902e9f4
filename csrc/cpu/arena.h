// Scratch memory laid out by one function, called twice: to count the bytes (base null), then to cut one thread's
// share.
#pragma once
#include <stdint.h>
#include <stdlib.h>

#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {

class Arena {
  public:
    explicit Arena(char* base) : base_(base) {}
    template <class T>
    T* take(int64_t n) {
        T* here = (T*)(base_ + used_);
        used_ += (n * (int64_t)sizeof(T) + 63) / 64 * 64;
        return here;
    }
    int64_t used() const { return used_; }

  private:
    char* base_;
    int64_t used_ = 0;
};

// A block of memory from the host allocator, aligned to cache lines; data() is null when it was refused.
class Block {
  public:
    explicit Block(int64_t bytes) : data_((char*)aligned_alloc(64, (size_t)((bytes + 64) / 64 * 64))) {}
    ~Block() { free(data_); }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    char* data() const { return data_; }

  private:
    char* data_;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
