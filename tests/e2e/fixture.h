// SPDX-License-Identifier: Apache-2.0
// What a test of two processes has, made before it and taken down after it in every ending.
#pragma once

#include "../unit/cmocka.hpp"
#include "cable.h"
#include "peer.h"

#include <memory>

namespace plait::e2e {

// Cables in a process of their own, which ends with this.
class Cables {
  public:
    Cables() = default;
    ~Cables();
    Cables(const Cables &) = delete;
    Cables &operator=(const Cables &) = delete;

    cable &operator[](size_t n) { return cables_[n]; }
    // After the cables were opened and aimed.
    bool start(size_t count);
    void cut(unsigned n) { cable_order(orders_, n, CABLE_CUT); }
    void mend(unsigned n) { cable_order(orders_, n, CABLE_MEND); }

  private:
    cable cables_[CABLES_MAX] = {};
    size_t count_ = 0;
    int orders_ = -1;
    pid_t pid_ = -1;
};

struct Fixture {
    Far far;                     // forks: first
    std::unique_ptr<Near> near;  // made by the test
    Cables cables;
};

int setup(void **state);
int teardown(void **state);

inline Fixture &fixture(void **state) {
    return *static_cast<Fixture *>(*state);
}

// Says goodbye: the far side must have got the whole file.
inline void expect_whole(Near &near, Far &far, uint64_t timeout_ms) {
    assert_true(near.run_until([&] { return near.finished; }, timeout_ms));
    assert_int_equal(plait_connection_close(near.node(), near.peer(), 0, "done"), PLAIT_OK);
    assert_true(near.run_until([&] { return near.closed; }, 5000));
    assert_int_equal(far.wait(5000), 0);
}

inline void expect_whole(Fixture &f, uint64_t timeout_ms) {
    expect_whole(*f.near, f.far, timeout_ms);
}

#define E2E_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

} // namespace plait::e2e
