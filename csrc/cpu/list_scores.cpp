// Forward, every score is the FMA chain of simd.h, sixteen items of a row side by side. Backward, a row's own gradient
// is a sum over its list, and the items' table is filled by its owners (owners.h).
#include "rcekd/list_scores.h"

#include <omp.h>

#include "listed.h"
#include "owners.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

using namespace lanes;

void user_gradient(const rcekd_list_scores_args& a, int64_t row) {
    const WeightedItems<true> sum{a.item + row * a.listed,    a.grad + row * a.listed, a.item_factor, a.listed, a.width,
                                  a.user_grad + row * a.width};
    for_column_blocks(a.width, sum);
}

void item_gradient(const rcekd_list_scores_args& a, const Owner& owner, int32_t* mine) {
    owner.clear(a.item_grad, a.items, a.width);
    for (int64_t row = 0; row < a.rows; ++row) {
        const int32_t* id = a.item + row * a.listed;
        const int64_t count = owner.pick(id, a.listed, mine);
        const ScatteredUser<true> share{
            id, a.grad + row * a.listed, a.user_factor + row * a.width, mine, count, a.width, a.item_grad};
        if (count) for_column_blocks(a.width, share);
    }
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(list_scores)(rcekd_list_scores_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_list_scores_args& a = *args;
    const int threads = team(a.threads, a.rows * a.listed * a.width, 32768);
    if (a.score) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 8)
        for (int64_t row = 0; row < a.rows; ++row)
            scores_of_list(a.user_factor + row * a.width, a.item_factor, a.width, a.item + row * a.listed, a.listed,
                           a.score + row * a.listed);
    }
    if (!a.user_grad && !a.item_grad) return RCEKD_OK;
    const int64_t room = a.listed + Owner::kRoom;
    Workspace<int32_t> mine(a.item_grad ? room * threads : 0);
    if (mine.failed()) return RCEKD_NO_MEMORY;
#pragma omp parallel num_threads(threads)
    {
        const Owner owner{(uint32_t)omp_get_thread_num(), (uint32_t)omp_get_num_threads()};
        if (a.user_grad) {
#pragma omp for schedule(dynamic, 8) nowait
            for (int64_t row = 0; row < a.rows; ++row) user_gradient(a, row);
        }
        if (a.item_grad) item_gradient(a, owner, mine.data() + owner.me * room);
    }
    return RCEKD_OK;
}
