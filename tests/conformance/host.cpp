// SPDX-License-Identifier: Apache-2.0
#include "host.h"

#include "builtin.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace plait::conformance {
namespace {

// Marks that the endpoint is inside one of its operations.
class Inside {
  public:
    explicit Inside(plait_host_endpoint &e) : e_(e) {
        if (e_.calls++ > 0) {
            e_.host->violation("an operation was entered from inside another");
        }
    }
    ~Inside() { e_.calls--; }
    Inside(const Inside &) = delete;
    Inside &operator=(const Inside &) = delete;

  private:
    plait_host_endpoint &e_;
};

uint32_t bit_if(bool set, uint32_t bit) {
    return set ? bit : 0;
}

void expect_inside(plait_host_endpoint *h, const char *what) {
    if (h->calls == 0) {
        h->host->violation(what);
    }
}

plait_status host_watch(plait_host_endpoint *h, int fd, uint32_t events) {
    expect_inside(h, "watch called outside of an operation");
    for (Watch &w : h->watches) {
        if (w.fd == fd) {
            w.events = events;
            return PLAIT_OK;
        }
    }
    if (h->watches.size() >= PLAIT_TRANSPORT_FDS_MAX) {
        return PLAIT_E_LIMIT;
    }
    h->watches.push_back({fd, events});
    return PLAIT_OK;
}

void host_unwatch(plait_host_endpoint *h, int fd) {
    expect_inside(h, "unwatch called outside of an operation");
    std::erase_if(h->watches, [fd](const Watch &w) { return w.fd == fd; });
}

void host_timer(plait_host_endpoint *h, uint64_t when_us) {
    expect_inside(h, "timer called outside of an operation");
    h->timer_us = when_us;
}

void host_state(plait_host_endpoint *h, uint32_t what, const plait_addr *addr, uint64_t value) {
    expect_inside(h, "state called outside of an operation");
    switch (what) {
    case PLAIT_TRANSPORT_UP:
        h->up = true;
        h->ups++;
        break;
    case PLAIT_TRANSPORT_DOWN:
        h->up = false;
        h->downs++;
        break;
    case PLAIT_TRANSPORT_WRITABLE:
        h->writables++;
        break;
    case PLAIT_TRANSPORT_MTU:
        h->mtu_said = value;
        break;
    case PLAIT_TRANSPORT_ADDRESS:
        if (addr != nullptr && value == 1) {
            h->has_bound = true;
            h->bound = *addr;
        }
        break;
    default:
        h->host->violation("state of an unknown kind");
    }
}

void host_fail(plait_host_endpoint *h, plait_status status, const char *text) {
    expect_inside(h, "fail called outside of an operation");
    h->failed = status;
    h->text = text;
}

void host_log(plait_host_endpoint *h, uint32_t level, const char *text) {
    expect_inside(h, "log called outside of an operation");
    if (level < PLAIT_LOG_ERROR || level > PLAIT_LOG_DEBUG) {
        h->host->violation("log of an unknown level");
    }
    h->log.emplace_back(text);
}

void host_wake(plait_host_endpoint *h) {
    h->woken.store(true);
    h->host->wake();
}

uint64_t host_now(plait_host_endpoint *) {
    return Host::now_us();
}

const void *host_extension(plait_host_endpoint *, const char *) {
    return nullptr;
}

} // namespace

const plait_host *Host::table() {
    static const plait_host host = {PLAIT_TRANSPORT_ABI, sizeof(plait_host), host_watch,
                                    host_unwatch,        host_timer,         host_state,
                                    host_fail,           host_log,           host_wake,
                                    host_now,            host_extension};
    return &host;
}

uint64_t Host::now_us() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1000000 + static_cast<uint64_t>(t.tv_nsec) / 1000;
}

Host::Host() : wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Host::~Host() {
    while (!endpoints_.empty()) {
        close(endpoints_.back().get());
    }
    ::close(wake_fd_);
}

void Host::wake() {
    uint64_t one = 1;
    (void)!write(wake_fd_, &one, sizeof one);
}

plait_host_endpoint *Host::open(const plait_transport *transport, const char *uri, uint32_t worker,
                                uint32_t workers) {
    auto e = std::make_unique<plait_host_endpoint>();
    e->host = this;
    e->transport = transport;
    e->uri = uri;
    plait_open_args args{};
    args.struct_size = sizeof args;
    args.worker = worker;
    args.workers = workers;
    args.uri = uri;
    {
        Inside inside(*e);
        last_status = transport->open(table(), e.get(), &args, &e->self);
    }
    last_text = e->text;
    if (last_status != PLAIT_OK) {
        if (!e->watches.empty()) {
            violation("a failed open left a descriptor watched");
        }
        return nullptr;
    }
    if (e->self == nullptr) {
        violation("open succeeded without a self");
    }
    endpoints_.push_back(std::move(e));
    return endpoints_.back().get();
}

void Host::close(plait_host_endpoint *endpoint) {
    auto at = std::find_if(endpoints_.begin(), endpoints_.end(),
                           [endpoint](const auto &e) { return e.get() == endpoint; });
    if (at == endpoints_.end()) {
        return;
    }
    {
        Inside inside(*endpoint);
        endpoint->transport->close(endpoint->self);
    }
    if (!endpoint->watches.empty()) {
        violation("close left a descriptor watched");
    }
    endpoints_.erase(at);
}

void Host::receive(plait_host_endpoint &e) {
    std::vector<plait_datagram> v(e.recv_batch);
    uint32_t got = 0;
    do {
        std::fill(v.begin(), v.end(), plait_datagram{});
        got = 0;
        e.recv(v.data(), e.recv_batch, &got);
        if (got > e.recv_batch) {
            violation("recv gave more entries than there was room for");
            return;
        }
        for (uint32_t i = 0; i < got; i++) {
            const plait_datagram &d = v[i];
            uint32_t step = d.segment > 0 && d.segment < d.len ? d.segment : d.len;
            for (uint32_t at = 0; at < d.len; at += step) {
                Received r;
                r.data.assign(d.data + at, d.data + std::min(at + step, d.len));
                r.peer = d.peer != nullptr ? *d.peer : plait_addr{};
                r.local = d.local != nullptr ? *d.local : plait_addr{};
                r.ecn = d.ecn;
                r.ifindex = d.ifindex;
                e.inbox.push_back(std::move(r));
            }
            std::memset(d.data, 0xa5, d.len); // a host writes there
        }
        if (got > 0) {
            e.recv_done(v.data(), got);
        }
    } while (got == e.recv_batch && e.receiving);
}

void Host::serve(plait_host_endpoint &e, int fd, uint32_t events) {
    bool recv_due = (events & (PLAIT_POLL_READ | PLAIT_POLL_TIMER | PLAIT_POLL_WAKE)) != 0;
    if (e.transport->poll != nullptr) {
        Inside inside(e);
        e.transport->poll(e.self, fd, events);
    } else if ((events & PLAIT_POLL_WRITE) != 0) {
        e.writables++;
    }
    if (recv_due && e.receiving) {
        receive(e);
    } else if (recv_due) {
        e.recv_due = true;
    }
}

int Host::wait_ms(int limit) const {
    uint64_t now = now_us();
    for (const auto &e : endpoints_) {
        if (e->woken.load() || (e->recv_due && e->receiving)) {
            return 0;
        }
        if (e->timer_us != UINT64_MAX) {
            uint64_t left = e->timer_us > now ? (e->timer_us - now + 999) / 1000 : 0;
            limit = static_cast<int>(std::min<uint64_t>(static_cast<uint64_t>(limit), left));
        }
    }
    return limit;
}

void Host::turn(int limit) {
    struct Ready {
        plait_host_endpoint *e;
        int fd;
    };
    std::vector<pollfd> fds{{wake_fd_, POLLIN, 0}};
    std::vector<Ready> who{{nullptr, -1}};
    for (const auto &e : endpoints_) {
        for (const Watch &w : e->watches) {
            bool read = (w.events & PLAIT_POLL_READ) != 0 && e->receiving;
            bool write = (w.events & PLAIT_POLL_WRITE) != 0;
            auto want = static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
            if (want != 0) {
                fds.push_back({w.fd, want, 0});
                who.push_back({e.get(), w.fd});
            }
        }
    }
    poll(fds.data(), fds.size(), wait_ms(limit));
    if (fds[0].revents != 0) {
        uint64_t count = 0;
        (void)!read(wake_fd_, &count, sizeof count);
    }
    for (size_t i = 1; i < fds.size(); i++) {
        auto w = std::find_if(who[i].e->watches.begin(), who[i].e->watches.end(),
                              [fd = who[i].fd](const Watch &x) { return x.fd == fd; });
        short r = fds[i].revents;
        if (r == 0 || w == who[i].e->watches.end()) {
            continue;
        }
        uint32_t events = bit_if(r & POLLOUT, PLAIT_POLL_WRITE);
        events |= bit_if(r & (POLLIN | POLLHUP | POLLERR), PLAIT_POLL_READ);
        events |= bit_if(r & (POLLHUP | POLLERR), PLAIT_POLL_ERROR);
        w->events &= ~(events & PLAIT_POLL_WRITE); // told once
        serve(*who[i].e, who[i].fd, events);
    }
    for (const auto &e : endpoints_) {
        uint32_t events = 0;
        if (e->timer_us <= now_us()) {
            e->timer_us = UINT64_MAX;
            events |= PLAIT_POLL_TIMER;
        }
        events |= bit_if(e->woken.exchange(false), PLAIT_POLL_WAKE);
        if (events != 0) {
            serve(*e, -1, events);
        } else if (e->recv_due && e->receiving) {
            e->recv_due = false;
            receive(*e);
        }
    }
}

const plait_transport *load_transport(const char *path) {
    static const plait_transport *const builtin[] = {
        &plait_transport_memory, &plait_transport_serial, &plait_transport_udp};
    if (std::strncmp(path, "static:", 7) == 0) {
        for (const plait_transport *t : builtin) {
            if (std::strcmp(t->name, path + 7) == 0) {
                return t;
            }
        }
        std::fprintf(stderr, "no transport %s is linked in\n", path + 7);
        return nullptr;
    }
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return nullptr;
    }
    auto *t = static_cast<const plait_transport *>(dlsym(module, "plait_transport_entry"));
    if (t == nullptr || t->abi != PLAIT_TRANSPORT_ABI) {
        std::fprintf(stderr, "%s: transport ABI %u, this is %u\n", path, t != nullptr ? t->abi : 0,
                     static_cast<unsigned>(PLAIT_TRANSPORT_ABI));
        return nullptr;
    }
    return t;
}

} // namespace plait::conformance

using plait::conformance::Inside;

plait_status plait_host_endpoint::send(const plait_datagram *v, uint32_t n, uint32_t *sent) {
    Inside inside(*this);
    *sent = UINT32_MAX;
    plait_status status = transport->send(self, v, n, sent);
    if (*sent > n) {
        host->violation("send did not set *sent, or beyond n");
        *sent = 0;
    } else if (status != PLAIT_OK && *sent == n) {
        host->violation("send took everything and gave an error");
    }
    return status;
}

plait_status plait_host_endpoint::recv(plait_datagram *v, uint32_t n, uint32_t *got) {
    Inside inside(*this);
    return transport->recv(self, v, n, got);
}

void plait_host_endpoint::recv_done(const plait_datagram *v, uint32_t n) {
    Inside inside(*this);
    if (transport->recv_done != nullptr) {
        transport->recv_done(self, v, n);
    }
}

plait_transport_info plait_host_endpoint::info(const plait_addr *addr) {
    Inside inside(*this);
    plait_transport_info i{};
    i.struct_size = sizeof i;
    if (transport->info != nullptr) {
        transport->info(self, addr, &i);
        return i;
    }
    i.mtu = PLAIT_TRANSPORT_MTU_DEFAULT;
    i.flags = PLAIT_INFO_FIXED_MTU;
    i.capabilities = transport->capabilities;
    return i;
}

plait_status plait_host_endpoint::parse(const char *address, plait_addr *out) {
    Inside inside(*this);
    if (transport->addr_parse != nullptr) {
        return transport->addr_parse(self, address, out);
    }
    const char *place = std::strstr(address, "://");
    place = place != nullptr ? place + 3 : address;
    size_t n = std::strcspn(place, "?");
    std::memset(out, 0, sizeof *out);
    if (n > PLAIT_ADDR_MAX) {
        return PLAIT_E_ADDRESS;
    }
    out->len = static_cast<uint8_t>(n);
    std::memcpy(out->b, place, n);
    return PLAIT_OK;
}

plait_status plait_host_endpoint::format(const plait_addr *addr, char *buf, size_t cap) {
    Inside inside(*this);
    if (transport->addr_format != nullptr) {
        return transport->addr_format(self, addr, buf, cap);
    }
    int n = std::snprintf(buf, cap, "%.*s", static_cast<int>(addr->len),
                          reinterpret_cast<const char *>(addr->b));
    return n >= 0 && static_cast<size_t>(n) < cap ? PLAIT_OK : PLAIT_E_BUFFER;
}
