// SPDX-License-Identifier: Apache-2.0
// Windowed<T, Better>: the best value of the last `window`, kept as three candidates (Kathleen
// Nichols' filter, as in the Linux kernel's lib/win_minmax.c): constant memory, O(1) a sample, and
// never a value older than the window while fresher ones come in.
#pragma once

#include "base/time.h"

#include <cstdint>

namespace plait::recovery {

struct Less {
    template <class T>
    bool operator()(T a, T b) const {
        return a <= b;
    }
};
struct Greater {
    template <class T>
    bool operator()(T a, T b) const {
        return a >= b;
    }
};

template <class T, class Better>
class Windowed {
  public:
    bool empty() const { return !filled_; }
    T best() const { return e_[0].value; }
    void clear() { filled_ = false; }

    void add(T value, Time now, Duration window) {
        const Entry in{now.us, value};
        if (!filled_ || Better{}(value, e_[0].value) || age(e_[2], now) > window) {
            e_[0] = e_[1] = e_[2] = in;
            filled_ = true;
            return;
        }
        if (Better{}(value, e_[1].value))
            e_[1] = e_[2] = in;
        else if (Better{}(value, e_[2].value))
            e_[2] = in;
        age_out(in, now, window);
    }

  private:
    struct Entry {
        uint64_t us = 0;
        T value{};
    };
    static Duration age(const Entry &e, Time now) { return now - Time{e.us}; }

    void age_out(const Entry &in, Time now, Duration window) {
        if (age(e_[0], now) > window) {
            e_[0] = e_[1];
            e_[1] = e_[2];
            e_[2] = in;
            if (age(e_[0], now) > window) {
                e_[0] = e_[1];
                e_[1] = e_[2];
            }
        } else if (e_[1].us == e_[0].us && age(e_[1], now) > window / 4) {
            // A quarter of the window without a better one: take a runner-up from this quarter.
            e_[1] = e_[2] = in;
        } else if (e_[2].us == e_[1].us && age(e_[2], now) > window / 2) {
            e_[2] = in;
        }
    }

    Entry e_[3];
    bool filled_ = false;
};

template <class T>
using WindowedMin = Windowed<T, Less>;
template <class T>
using WindowedMax = Windowed<T, Greater>;

} // namespace plait::recovery
