// The interactions grouped by user, a run of rows for each.
#include "rcekd/batch_rows.h"

#include "simd.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

void write_rows(const rcekd_batch_rows_args& a, const Groups& groups, int64_t list) {
    for (int64_t g = 0; g < groups.groups; ++g) {
        const int64_t begin = groups.start[g], end = groups.start[g + 1];
        const int32_t user = groups.id[g];
        const float count = (float)(end - begin), weight = a.share ? count * a.share[user] : count;
        for (int64_t r = begin; r < end; ++r) {
            const int64_t at = list * a.batch + r;
            a.row_user[at] = user;
            a.row_set[at] = (int32_t)(list * a.users + user);
            a.row_weight[at] = (r == begin ? weight : 0.0f) * a.scale[list * a.users + user];
        }
    }
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(batch_rows)(rcekd_batch_rows_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_batch_rows_args& a = *args;
    Groups groups(a.batch);
    if (groups.failed()) return RCEKD_NO_MEMORY;
    for (int64_t b = 0; b < a.batch; ++b) groups.key[b] = group_key(a.user[b], b);
    groups.sort();
    for (int64_t list = 0; list < a.lists; ++list) write_rows(a, groups, list);
    return RCEKD_OK;
}
