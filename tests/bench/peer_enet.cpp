// SPDX-License-Identifier: Apache-2.0
// ENet: reliable packets of 16 KiB over one channel, without encryption. Mode: bulk.
#include "loopback.h"

#include <cstdio>
#include <enet/enet.h>
#include <vector>

namespace plait::bench {
namespace {

constexpr size_t kPiece = 16 << 10;
constexpr uint32_t kQueued = 1 << 20; // bytes under way at most
constexpr uint32_t kWaitMs = 1, kSilenceMs = 5000;

ENetAddress here(enet_uint16 port) {
    ENetAddress address{};
    enet_address_set_host_ip(&address, "127.0.0.1");
    address.port = port;
    return address;
}

ENetHost *receiving; // made before there are two processes, so that no packet finds it missing

// `port` stands for the listening socket: ENet makes its own.
void receive_bulk(const Options &, int, Counts &counts) {
    ENetHost *const host = receiving;
    ENetEvent event;
    for (bool over = false; !over;) {
        int n = enet_host_service(host, &event, kSilenceMs);
        over = n <= 0; // the other is gone
        for (; n > 0; n = enet_host_check_events(host, &event)) {
            if (event.type == ENET_EVENT_TYPE_RECEIVE) {
                counts.count(event.packet->dataLength, 1);
                enet_packet_destroy(event.packet);
            }
            over |= event.type == ENET_EVENT_TYPE_DISCONNECT;
        }
    }
    enet_host_destroy(host);
}

void send_bulk(const Options &o, int port, Counts &counts) {
    ENetHost *host = enet_host_create(nullptr, 1, 1, 0, 0);
    const ENetAddress address = here(static_cast<enet_uint16>(port));
    ENetPeer *peer = host ? enet_host_connect(host, &address, 1, 0) : nullptr;
    if (!peer)
        die("enet_host_connect");
    const std::vector<uint8_t> source(kPiece, 0xa5);
    ENetEvent event;
    while (peer->state != ENET_PEER_STATE_CONNECTED)
        if (enet_host_service(host, &event, kSilenceMs) <= 0)
            die("ENet's connection");
    uint64_t queued = 0;
    const uint64_t until_us = end_of(o);
    while (now_us() < until_us) {
        while (peer->state == ENET_PEER_STATE_CONNECTED && queued < kQueued) {
            ENetPacket *packet =
                enet_packet_create(source.data(), source.size(), ENET_PACKET_FLAG_RELIABLE);
            packet->userData = &queued;
            packet->freeCallback = [](ENetPacket *p) {
                *static_cast<uint64_t *>(p->userData) -= p->dataLength;
            };
            queued += kPiece;
            counts.sent_bytes += kPiece;
            enet_peer_send(peer, 0, packet);
        }
        while (enet_host_service(host, &event, kWaitMs) > 0)
            if (event.type == ENET_EVENT_TYPE_DISCONNECT)
                die("ENet's connection");
    }
    enet_peer_disconnect_later(peer, 0);
    while (enet_host_service(host, &event, 1000) > 0 && event.type != ENET_EVENT_TYPE_DISCONNECT)
        continue;
    enet_host_destroy(host);
}

} // namespace
} // namespace plait::bench

int main(int argc, char **argv) {
    using namespace plait::bench;
    const Options o = read_options(argc, argv);
    if (o.mode != "bulk" || enet_initialize() != 0) {
        std::fprintf(stderr, "peer_enet: the mode is bulk\n");
        return 2;
    }
    constexpr int kPort = 47561; // `run` works in a network namespace of its own
    const ENetAddress address = here(kPort);
    receiving = enet_host_create(&address, 1, 1, 0, 0);
    if (!receiving)
        die("enet_host_create");
    print("peer_enet", o, run_processes(o, kPort, receive_bulk, send_bulk));
    return 0;
}
