// SPDX-License-Identifier: Apache-2.0
// The ENDPOINTS record (docs/protocol.md sections 5.8 and 7.8): the page's bytes, and those that
// are not of its form.
#include "../cmocka.hpp"
#include "../wire/examples.h"

#include "connection/announce.h"
#include "connection/records.h"
#include "wire/parameters.h"

using namespace plait;
using namespace plait::connection;

namespace {

Place place(const char *transport_class, std::initializer_list<uint8_t> bytes) {
    Place p{transport_class, {}};
    p.addr.len = static_cast<uint8_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), p.addr.b);
    return p;
}

const std::vector<Place> &page_places() {
    static const std::vector<Place> places = {
        place("udp", {4, 0x10, 0x92, 192, 0, 2, 7}),
        place("udp", {6, 0x10, 0x92, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7})};
    return places;
}

Bytes page_body() {
    Record record;
    assert_int_equal(read_record(test::example("records", "endpoints"), record), PLAIT_OK);
    assert_int_equal(record.type, kEndpointsRecord);
    assert_int_equal(record.size, test::example("records", "endpoints").size());
    return record.body;
}

void test_endpoints_of_the_page_are_written_and_read(void **) {
    std::array<uint8_t, kMaxRecord> buffer;
    const Bytes written = Bytes(buffer).first(write_places(page_places(), buffer));
    assert_true(test::same_bytes(written, page_body()));
    static std::vector<Place> read;
    assert_int_equal(read_places(page_body(), read), PLAIT_OK);
    assert_true(read == page_places());
}

void test_endpoints_cut_short_or_with_bytes_left_are_malformed(void **) {
    static std::vector<Place> read;
    const Bytes body = page_body();
    for (size_t n = 0; n < body.size(); n++)
        assert_int_equal(read_places(body.first(n), read), PLAIT_E_MALFORMED);
    static std::vector<uint8_t> longer;
    longer.assign(body.begin(), body.end());
    longer.push_back(0);
    assert_int_equal(read_places(longer, read), PLAIT_E_MALFORMED);
}

void refuse(std::initializer_list<uint8_t> head, size_t zeros) {
    static std::vector<uint8_t> body;
    static std::vector<Place> read;
    body.assign(head);
    body.resize(body.size() + zeros);
    assert_int_equal(read_places(body, read), PLAIT_E_MALFORMED);
}

void test_endpoints_out_of_range_are_malformed(void **) {
    refuse({1, 0, 1, 9}, 0);      // no name
    refuse({1, 1, 'u', 0}, 0);    // no address
    refuse({1, 1, 'u', 64}, 64);  // an address of 64 bytes
    refuse({1, 33}, 33 + 2);      // a name of 33
    refuse({17}, size_t{17} * 4); // too many
    static std::vector<uint8_t> many = {17};
    static std::vector<Place> read;
    for (int i = 0; i < 17; i++)
        many.insert(many.end(), {1, 'u', 1, 9});
    assert_int_equal(read_places(many, read), PLAIT_E_MALFORMED);
    many[0] = 16;
    many.resize(1 + 16 * 4);
    assert_int_equal(read_places(many, read), PLAIT_OK);
    assert_int_equal(read.size(), 16);
}

void test_endpoints_that_do_not_fit_are_left_out(void **) {
    static std::vector<Place> places, read;
    Place longest{std::string(wire::kMaxClassName, 'x'), {}};
    longest.addr.len = PLAIT_ADDR_MAX;
    places.assign(20, longest);
    std::array<uint8_t, kMaxRecord> buffer;
    const size_t size = write_places(places, buffer);
    assert_true(size <= kMaxRecord - 16);
    assert_int_equal(read_places(Bytes(buffer).first(size), read), PLAIT_OK);
    assert_true(read.size() == 10 && read[9] == longest);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints_of_the_page_are_written_and_read),
        cmocka_unit_test(test_endpoints_cut_short_or_with_bytes_left_are_malformed),
        cmocka_unit_test(test_endpoints_out_of_range_are_malformed),
        cmocka_unit_test(test_endpoints_that_do_not_fit_are_left_out),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
