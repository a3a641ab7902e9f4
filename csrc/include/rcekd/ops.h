// The native core's whole C interface: one header per operation, and the choice of instruction set.
#pragma once
#include "rcekd/adam.h"
#include "rcekd/batch_rows.h"
#include "rcekd/bpr.h"
#include "rcekd/closure.h"
#include "rcekd/common.h"
#include "rcekd/horizon.h"
#include "rcekd/list_scores.h"
#include "rcekd/negatives.h"
#include "rcekd/pair_scores.h"
#include "rcekd/plackett_luce.h"
#include "rcekd/pool_gap_draws.h"
#include "rcekd/propagate.h"
#include "rcekd/rank_gap_draws.h"
#include "rcekd/rest_log_sum.h"
#include "rcekd/set_cross_entropy.h"
#include "rcekd/set_softmax.h"
#include "rcekd/topk.h"
#include "rcekd/unseen_draws.h"

#ifdef __cplusplus
extern "C" {
#endif
const char* rcekd_isa_name(void);
int rcekd_set_isa(const char* name);  // 0: unknown, or this processor has not got it
#ifdef __cplusplus
}
#endif
