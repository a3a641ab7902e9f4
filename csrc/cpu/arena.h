// Scratch memory laid out by one function, called twice: to count the bytes (base null), then to cut one thread's
// share.
#pragma once
#include <stdint.h>

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

}  // namespace RCEKD_ISA
}  // namespace rcekd
