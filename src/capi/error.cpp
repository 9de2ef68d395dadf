// SPDX-License-Identifier: Apache-2.0
#include "plait/error.h"

#include "base/result.h"
#include "runtime/detail.h"

const char *plait_status_name(plait_status status) { return plait::base::status_name(status); }

const char *plait_status_text(plait_status status) { return plait::base::status_text(status); }

const char *plait_error_detail(void) { return plait::runtime::detail(); }
