// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share. A target defines this one function; the same source builds twice:
// with libFuzzer (meson option `fuzz`, clang), and as a plain program that runs the files of a
// corpus, so that every compiler and every sanitizer sees them (run_corpus.cpp).
#pragma once

#include <cstddef>
#include <cstdint>

// The name and linkage are libFuzzer's. Returns 0; a finding is an abort or a sanitizer's report.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
