// SPDX-License-Identifier: Apache-2.0
// A packet's plaintext. What is read and written again is read as the same.
#include "fuzz.h"

#include "wire/read_frames.h"

#include <vector>

using namespace plait;
using namespace plait::wire;

namespace {

struct Rewriter {
    base::Writer out;
    size_t frames = 0;
    template <class Frame>
    Status on(const Frame &f) {
        frames++;
        write(out, f);
        return PLAIT_OK;
    }
    Status on(const DataFrame &f) {
        frames++;
        write(out, f, true);
        return PLAIT_OK;
    }
};

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    // Only DATA grows, by its length, when it stood last without one.
    std::vector<uint8_t> once(size + 16), twice(size + 16);
    Rewriter first{base::Writer(once)};
    const Status status = read_frames({data, size}, first);
    PLAIT_ASSERT(status == PLAIT_OK || status == PLAIT_E_MALFORMED);
    PLAIT_ASSERT(first.out.ok());

    Rewriter second{base::Writer(twice)};
    PLAIT_ASSERT(read_frames(first.out.written(), second) == PLAIT_OK);
    PLAIT_ASSERT(second.out.ok() && second.frames == first.frames);
    const Bytes a = first.out.written(), z = second.out.written();
    PLAIT_ASSERT(std::equal(a.begin(), a.end(), z.begin(), z.end()));
    return 0;
}
