// SPDX-License-Identifier: Apache-2.0
// Randomness out of a pool: no byte is given twice, to nobody.
#include "../cmocka.hpp"

#include "runtime/system.h"

#include <set>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace plait;
using plait::runtime::PooledEntropy;

namespace {

using Piece = std::array<uint8_t, 16>;

Piece next(PooledEntropy &entropy) {
    Piece out{};
    entropy.fill(out);
    return out;
}

void test_pieces_of_every_size_are_filled_and_new(void **) {
    PooledEntropy entropy;
    std::set<std::vector<uint8_t>> seen;
    for (int round = 0; round < 20; round++)
        for (size_t size = 16; size < 600; size = size < 80 ? size + 1 : size * 2) {
            std::vector<uint8_t> out(size);
            entropy.fill(out);
            // Its first and its last bytes are nobody else's.
            assert_true(seen.insert({out.begin(), out.begin() + 16}).second);
            if (size >= 32)
                assert_true(seen.insert({out.end() - 16, out.end()}).second);
        }
    entropy.fill({});
}

void test_pool_after_fork_gives_the_child_other_bytes(void **) {
    PooledEntropy entropy;
    next(entropy); // there is a pool, and much left in it
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const Piece mine = next(entropy);
        _exit(write(ends[1], mine.data(), mine.size()) == sizeof mine ? 0 : 1);
    }
    Piece theirs{};
    assert_int_equal(read(ends[0], theirs.data(), theirs.size()), sizeof theirs);
    int status = 1;
    assert_true(waitpid(child, &status, 0) == child && status == 0);
    close(ends[0]);
    close(ends[1]);
    assert_true(theirs != next(entropy));
    assert_true(theirs != Piece{});
}

} // namespace

int main() {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_every_size_are_filled_and_new),
        cmocka_unit_test(test_pool_after_fork_gives_the_child_other_bytes),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
