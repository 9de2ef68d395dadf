// SPDX-License-Identifier: Apache-2.0
// cmocka as C++ sees it. A failing assertion leaves the test by longjmp: keep fixtures in setup and
// teardown, and only trivial locals in frames that assert.
#pragma once

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" {
#include <cmocka.h>
}
// cmocka.h defines these as macros, which break C++ members of the same name.
#undef fail
#undef expect_value
