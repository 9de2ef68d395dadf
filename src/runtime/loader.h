// SPDX-License-Identifier: Apache-2.0
// The transports that a node knows: registered, loaded from a file, or found by name when a URI
// asks for them. One loader a node; nothing is kept for the process. A transport is used through a
// copy of its entry, in which what an older plugin does not have is NULL.
//
// Where a name is looked for, in this order: registered and loaded ones; those linked into the
// library; NAME.so and plait_NAME.so in the folders of the search path.
#pragma once

#include "base/result.h"
#include "plait/transport.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plait::runtime {

inline constexpr size_t kTransportsMax = 64;

// The scheme of a URI ("udp" of "udp://…", "serial" of "serial:"); empty if it has none.
std::string_view scheme_of(std::string_view uri);
// Whether `name` may be a transport's: a lower-case letter, then lower-case letters, digits, '+-.'.
bool is_transport_name(std::string_view name);

class Loader {
  public:
    // `builtin`: entries linked into the library; they lose against any other of the same name.
    // `search_path`: folders separated by ':'.
    Loader(std::span<const plait_transport *const> builtin, std::string search_path);
    ~Loader();
    Loader(const Loader &) = delete;
    Loader &operator=(const Loader &) = delete;

    // Adds an entry that outlives the loader. PLAIT_OK also if it is there already.
    // PLAIT_E_TRANSPORT_ABI, PLAIT_E_PLUGIN, PLAIT_E_EXISTS, PLAIT_E_LIMIT; the text is noted.
    Status add(const plait_transport *entry);
    // Loads a file, or looks for a bare name (without '/') in the search path. The same statuses.
    Status load(std::string_view path);
    // The transport of this name, loading it if it has to; the pointer is valid for the loader's
    // life. PLAIT_E_TRANSPORT_UNKNOWN; or a status of load().
    Result<const plait_transport *> find(std::string_view name);

  private:
    struct Loaded {
        plait_transport entry{};
        const plait_transport *original = nullptr;
        void *library = nullptr;
    };
    Status add(const plait_transport *entry, void *library);
    Status load_file(const std::string &path);
    // The file of a bare name, or "" if there is none.
    std::string look_for(std::string_view name) const;
    const Loaded *known(std::string_view name) const;

    std::vector<const plait_transport *> builtin_;
    std::string search_path_;
    std::vector<std::unique_ptr<Loaded>> loaded_;
};

} // namespace plait::runtime
