// SPDX-License-Identifier: Apache-2.0
// The example packets of docs/protocol.md, appendix A, as that file has them: a test compares what
// the engine makes with what the page says, so the two cannot drift apart.
//
//     ```example NAME
//     field = 0102        # a comment
//       0304              indented lines go on
//     ```
#pragma once

#include "base/bytes.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace plait::test {

class Examples {
  public:
    // The page named by PLAIT_PROTOCOL_MD, read once. Ends the program if it is not there.
    static const Examples &get() {
        static const Examples all(PLAIT_PROTOCOL_MD);
        return all;
    }
    // The bytes of a field; ends the program if there is no such field.
    Bytes operator()(const std::string &block, const std::string &field) const {
        const auto found = fields_.find(block + "." + field);
        if (found == fields_.end())
            die("no example " + block + "." + field);
        return found->second;
    }
    // The names of a block's fields, sorted.
    std::vector<std::string> names(const std::string &block) const {
        std::vector<std::string> out;
        for (const auto &[name, bytes] : fields_)
            if (name.starts_with(block + "."))
                out.push_back(name.substr(block.size() + 1));
        return out;
    }

  private:
    explicit Examples(const char *path) {
        std::ifstream file(path);
        if (!file)
            die(std::string("cannot read ") + path);
        static const std::string kOpen = "```example ";
        std::string block, field;
        for (std::string line; std::getline(file, line);) {
            if (line.starts_with(kOpen))
                block = line.substr(kOpen.size());
            else if (line.starts_with("```"))
                block.clear();
            else if (!block.empty())
                add_line(block, field, line.substr(0, line.find('#')));
        }
    }
    void add_line(const std::string &block, std::string &field, std::string line) {
        if (const size_t equals = line.find('='); equals != std::string::npos) {
            field = block + "." + line.substr(0, line.find_first_of(" ="));
            fields_[field];
            line.erase(0, equals + 1);
        }
        std::istringstream words(line);
        for (std::string word; words >> word;)
            for (size_t i = 0; i < word.size(); i += 2)
                fields_[field].push_back(
                    static_cast<uint8_t>(std::strtoul(word.substr(i, 2).c_str(), nullptr, 16)));
    }
    [[noreturn]] static void die(const std::string &why) {
        std::fprintf(stderr, "examples: %s\n", why.c_str());
        std::exit(1);
    }

    std::map<std::string, std::vector<uint8_t>> fields_;
};

inline Bytes example(const std::string &block, const std::string &field) {
    return Examples::get()(block, field);
}

// True if equal; otherwise prints both in hex.
inline bool same_bytes(Bytes got, Bytes want) {
    if (std::equal(got.begin(), got.end(), want.begin(), want.end()))
        return true;
    for (const auto &[name, bytes] : {std::pair{"got ", got}, std::pair{"want", want}}) {
        std::fprintf(stderr, "%s %4zu bytes:", name, bytes.size());
        for (uint8_t b : bytes)
            std::fprintf(stderr, " %02x", b);
        std::fputc('\n', stderr);
    }
    return false;
}

} // namespace plait::test
