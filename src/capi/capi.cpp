// SPDX-License-Identifier: Apache-2.0
#include "capi/capi.h"

namespace plait::capi {

Status null_argument(const char *function, const char *name) noexcept {
    return fail(PLAIT_E_NULL, "%s: %s is NULL", function, name);
}

Status too_large_code(const char *function, uint64_t code, uint64_t max) noexcept {
    return fail(PLAIT_E_INVALID, "%s: the code is %llu, at most %llu is possible", function,
                static_cast<unsigned long long>(code), static_cast<unsigned long long>(max));
}

Status reserved_field(const char *function, const char *name) noexcept {
    return fail(PLAIT_E_STRUCT_SIZE, "%s: the field %s is not known to this library and must be 0",
                function, name);
}

Status check_size(const char *function, const void *from, size_t size, size_t known) noexcept {
    if (size < known || size > known + kUnknownTailMax)
        return fail(PLAIT_E_STRUCT_SIZE,
                    "%s: struct_size is %zu, this library knows %zu (use the INIT macro)", function,
                    size, known);
    const auto *bytes = static_cast<const uint8_t *>(from);
    for (size_t i = known; i < size; i++)
        if (bytes[i] != 0)
            return fail(PLAIT_E_STRUCT_SIZE,
                        "%s: byte %zu of the structure is set, which this library does not know",
                        function, i);
    return PLAIT_OK;
}

Status check_out_size(const char *function, size_t size) noexcept {
    constexpr size_t kSmallest = 2 * sizeof(uint32_t), kLargest = 4096;
    if (size < kSmallest || size > kLargest)
        return fail(PLAIT_E_STRUCT_SIZE, "%s: struct_size is %zu (set it to the structure's size)",
                    function, size);
    return PLAIT_OK;
}

Status read_congestion(uint32_t value, std::optional<recovery::ControllerKind> &to) {
    switch (value) {
    case PLAIT_CONGESTION_DEFAULT: return PLAIT_OK;
    case PLAIT_CONGESTION_CUBIC: to = recovery::ControllerKind::kCubic; return PLAIT_OK;
    case PLAIT_CONGESTION_BBR: to = recovery::ControllerKind::kBbr; return PLAIT_OK;
    default: return fail(PLAIT_E_INVALID, "%u is not a way to control congestion", value);
    }
}

Status read_announce(uint32_t value, std::optional<bool> &own, std::optional<bool> &follow) {
    constexpr uint32_t kBoth = PLAIT_ANNOUNCE_OWN | PLAIT_ANNOUNCE_FOLLOW;
    if (value == PLAIT_ANNOUNCE_DEFAULT)
        return PLAIT_OK;
    if (value != PLAIT_ANNOUNCE_NOTHING && (value & ~kBoth) != 0)
        return fail(PLAIT_E_INVALID, "%u is not a way to announce endpoints", value);
    own = value & PLAIT_ANNOUNCE_OWN;
    follow = value & PLAIT_ANNOUNCE_FOLLOW;
    return PLAIT_OK;
}

Status put_text(const char *function, std::string_view text, char *buf, size_t cap, size_t *len) {
    if (buf == nullptr && cap != 0)
        return null_argument(function, "buf");
    if (len != nullptr)
        *len = text.size();
    if (text.size() >= cap)
        return fail(PLAIT_E_BUFFER, "%s: the text needs %zu bytes, the buffer has %zu", function,
                    text.size() + 1, cap);
    std::copy(text.begin(), text.end(), buf);
    buf[text.size()] = '\0';
    return PLAIT_OK;
}

} // namespace plait::capi
