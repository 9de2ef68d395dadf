/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the cables. Times are floors: a step also waits for the one before it. */
#include "cable.h"
#include "job.h"

static const double kFirstCutAt = 0.2; /* of the file */
static const double kOneCutS = 3, kBothCutS = 4;
static const double kHoldS = 14; /* enough for 0.2 of it, both waits, and some of the file after */

double script_hold(uint64_t file_size, const uint64_t rates[2]) {
    /* After the first cut the other cable works alone for a while; something has to be left. */
    double meanwhile = (double)rates[1] * kOneCutS * 2;
    return (double)file_size * (1 - kFirstCutAt) < meanwhile ? kHoldS : 0;
}

const char *script_step(struct script *script, double now, double done) {
    double since = now - script->last_step;
    switch (script->step) {
    case STEP_WAIT:
        if (done < kFirstCutAt && (script->hold == 0 || now < kFirstCutAt * script->hold))
            return NULL;
        cable_order(script->orders, 0, CABLE_CUT);
        break;
    case STEP_ONE_CUT:
        if (since < kOneCutS)
            return NULL;
        cable_order(script->orders, 1, CABLE_CUT);
        break;
    case STEP_BOTH_CUT:
        if (since < kBothCutS)
            return NULL;
        cable_order(script->orders, 0, CABLE_MEND);
        cable_order(script->orders, 1, CABLE_MEND);
        break;
    default:
        return NULL;
    }
    static const char *const kTexts[] = {
        "the first UDP cable is pulled",
        "the second UDP cable is pulled too: only the serial line is left",
        "both UDP cables are plugged in again",
    };
    script->last_step = now;
    return kTexts[script->step++];
}
