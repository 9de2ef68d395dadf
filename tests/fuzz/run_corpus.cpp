// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: on each file of the folders and files given, and on cheap
// variants of each (cut at every byte, each byte changed), the same ones every time.
#include "fuzz.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Input = std::vector<uint8_t>;

constexpr size_t kMaxVaried = 1024; // longer files are run as they are

size_t runs = 0;

void run(const Input &input) {
    // An allocation of exactly this size: a sanitizer sees any step outside.
    const Input exact(input.begin(), input.end());
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
    runs++;
}

void run_variants(const Input &input) {
    for (size_t i = 0; i < input.size(); i++) {
        run(Input(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(i)));
        for (const uint8_t flip : {0x01, 0x08, 0x40, 0x80, 0xff}) {
            Input changed = input;
            changed[i] ^= flip;
            run(changed);
        }
    }
}

std::vector<fs::path> files_of(const fs::path &place) {
    std::vector<fs::path> files;
    if (fs::is_directory(place)) {
        for (const auto &entry : fs::directory_iterator(place))
            if (entry.is_regular_file())
                files.push_back(entry.path());
    } else {
        files.push_back(place);
    }
    std::sort(files.begin(), files.end()); // the order of a folder is not the same everywhere
    return files;
}

bool run_file(const fs::path &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "cannot read %s\n", path.c_str());
        return false;
    }
    const Input input{std::istreambuf_iterator<char>(file), {}};
    run(input);
    if (input.size() <= kMaxVaried)
        run_variants(input);
    return true;
}

} // namespace

int main(int argc, char **argv) {
    size_t files = 0;
    bool ok = true;
    run({});
    for (int i = 1; i < argc; i++)
        for (const fs::path &path : files_of(argv[i])) {
            ok = run_file(path) && ok;
            files++;
        }
    std::printf("%zu files, %zu runs\n", files, runs);
    return ok && files > 0 ? 0 : 1;
}
