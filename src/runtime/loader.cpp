// SPDX-License-Identifier: Apache-2.0
#include "runtime/loader.h"

#include "runtime/detail.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <unistd.h>

namespace plait::runtime {

namespace {

bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

// What the first version of the structure had, and every plugin has.
constexpr size_t kEntrySizeMin = offsetof(plait_transport, get_extension);

// Copies what the plugin has of the entry; the rest is as if NULL.
Status copy_entry(const plait_transport *from, plait_transport &to) {
    if (from->abi != PLAIT_TRANSPORT_ABI)
        return fail(PLAIT_E_TRANSPORT_ABI,
                    "the plugin speaks transport ABI %u, this library speaks %u", from->abi,
                    unsigned{PLAIT_TRANSPORT_ABI});
    if (from->struct_size < kEntrySizeMin)
        return fail(PLAIT_E_PLUGIN, "the plugin's entry has %u bytes, at least %zu are needed",
                    from->struct_size, kEntrySizeMin);
    to = {};
    std::memcpy(&to, from, std::min<size_t>(from->struct_size, sizeof to));
    if (to.name == nullptr || !is_transport_name(to.name))
        return fail(PLAIT_E_PLUGIN,
                    "the plugin's name is not a URI scheme of at most %d characters",
                    int{PLAIT_TRANSPORT_NAME_MAX});
    if (to.open == nullptr || to.close == nullptr || to.send == nullptr || to.recv == nullptr)
        return fail(PLAIT_E_PLUGIN, "%s: open, close, send and recv are required", to.name);
    return PLAIT_OK;
}

} // namespace

std::string_view scheme_of(std::string_view uri) {
    const size_t colon = uri.find(':');
    return colon == std::string_view::npos ? std::string_view() : uri.substr(0, colon);
}

bool is_transport_name(std::string_view name) {
    return !name.empty() && name.size() <= PLAIT_TRANSPORT_NAME_MAX && name[0] >= 'a' &&
           name[0] <= 'z' && std::all_of(name.begin(), name.end(), is_name_char);
}

Loader::Loader(std::span<const plait_transport *const> builtin, std::string search_path)
    : builtin_(builtin.begin(), builtin.end()), search_path_(std::move(search_path)) {}

Loader::~Loader() {
    for (auto it = loaded_.rbegin(); it != loaded_.rend(); ++it) {
        if ((*it)->entry.deinit != nullptr)
            (*it)->entry.deinit();
        if ((*it)->library != nullptr)
            dlclose((*it)->library);
    }
}

const Loader::Loaded *Loader::known(std::string_view name) const {
    for (const auto &loaded : loaded_)
        if (name == loaded->entry.name)
            return loaded.get();
    return nullptr;
}

Status Loader::add(const plait_transport *entry) { return add(entry, nullptr); }

Status Loader::add(const plait_transport *entry, void *library) {
    auto fresh = std::make_unique<Loaded>();
    fresh->original = entry;
    fresh->library = library;
    if (const Status status = copy_entry(entry, fresh->entry); status != PLAIT_OK)
        return status;
    if (library == nullptr && known(fresh->entry.name) != nullptr &&
        known(fresh->entry.name)->original == entry)
        return PLAIT_OK;
    const char *name = fresh->entry.name;
    if (std::string_view(name) == "app")
        return fail(PLAIT_E_EXISTS, "the name app belongs to application endpoints");
    if (known(name) != nullptr)
        return fail(PLAIT_E_EXISTS, "another transport named %s is there already", name);
    if (loaded_.size() >= kTransportsMax)
        return fail(PLAIT_E_LIMIT, "a node knows at most %zu transports", kTransportsMax);
    if (fresh->entry.init != nullptr)
        if (const Status status = fresh->entry.init(); status != PLAIT_OK)
            return fail(PLAIT_E_PLUGIN, "%s: the plugin does not start: %s", name,
                        base::status_text(status));
    loaded_.push_back(std::move(fresh));
    return PLAIT_OK;
}

Status Loader::load(std::string_view path) {
    if (path.find('/') != std::string_view::npos)
        return load_file(std::string(path));
    const std::string file = look_for(path);
    if (file.empty())
        return fail(PLAIT_E_PLUGIN,
                    "no plugin %.*s.so in %s (a file is named with its folder: ./%.*s)",
                    static_cast<int>(path.size()), path.data(), search_path_.c_str(),
                    static_cast<int>(path.size()), path.data());
    return load_file(file);
}

Status Loader::load_file(const std::string &path) {
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char *why = dlerror();
        return fail(PLAIT_E_PLUGIN, "%s", why != nullptr ? why : path.c_str());
    }
    const auto *entry =
        static_cast<const plait_transport *>(dlsym(library, "plait_transport_entry"));
    if (entry == nullptr) {
        dlclose(library);
        return fail(PLAIT_E_PLUGIN, "%s: it has no plait_transport_entry", path.c_str());
    }
    for (const auto &loaded : loaded_)
        if (loaded->original == entry) {
            dlclose(library); // counted once more by dlopen
            return PLAIT_OK;
        }
    const Status status = add(entry, library);
    if (status == PLAIT_OK)
        return PLAIT_OK;
    fail(status, "%s: %s", path.c_str(), detail());
    dlclose(library);
    return status;
}

std::string Loader::look_for(std::string_view name) const {
    std::string_view folders = search_path_;
    while (!folders.empty()) {
        const size_t end = std::min(folders.find(':'), folders.size());
        const std::string folder(folders.substr(0, end));
        folders.remove_prefix(std::min(end + 1, folders.size()));
        if (folder.empty())
            continue;
        for (const char *prefix : {"/", "/plait_"}) {
            std::string file = folder + prefix + std::string(name) + ".so";
            if (access(file.c_str(), F_OK) == 0)
                return file;
        }
    }
    return {};
}

Result<const plait_transport *> Loader::find(std::string_view name) {
    if (const Loaded *loaded = known(name))
        return &loaded->entry;
    Status status = PLAIT_E_TRANSPORT_UNKNOWN;
    for (const plait_transport *entry : builtin_)
        if (name == entry->name)
            status = add(entry, nullptr);
    if (status == PLAIT_E_TRANSPORT_UNKNOWN && is_transport_name(name)) {
        const std::string file = look_for(name);
        if (!file.empty() && (status = load_file(file)) == PLAIT_OK && known(name) == nullptr)
            status = fail(PLAIT_E_PLUGIN, "%s: it is not the transport %.*s", file.c_str(),
                          static_cast<int>(name.size()), name.data());
    }
    if (status == PLAIT_OK)
        return &known(name)->entry;
    if (status == PLAIT_E_TRANSPORT_UNKNOWN)
        return Error{fail(status, "no transport named %.*s (looked in %s)",
                          static_cast<int>(name.size()), name.data(),
                          search_path_.empty() ? "no folder" : search_path_.c_str())};
    return Error{status};
}

} // namespace plait::runtime
