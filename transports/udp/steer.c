/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several sockets with one port gets a datagram: a program for the kernel (classic BPF,
 * which needs no privilege). It gives the number of the worker; sockets count in the order in which
 * they were bound, which is that of the workers. The rule is src/wire/steer.h's: a byte of the
 * connection id, modulo the number of workers. A load beyond the datagram's end ends the program
 * with worker 0, as there. */
#define _GNU_SOURCE
#include "udp.h"

#ifdef SO_ATTACH_REUSEPORT_CBPF
#include <linux/filter.h>

enum { kLongBit = 0x80, kShortId = 1, kDcidLength = 5, kAfterDcidLength = 6 };

bool udp_steer(int fd, uint32_t workers) {
    struct sock_filter code[] = {
        /*  0 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        /*  1 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kLongBit, 2, 0), /* to 4 or 2 */
        /*  2 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kShortId),
        /*  3 */ BPF_STMT(BPF_JMP | BPF_JA, 7), /* to 11 */
        /*  4 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kDcidLength),
        /*  5 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0), /* to 8 or 6 */
        /*  6 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kAfterDcidLength),
        /*  7 */ BPF_STMT(BPF_JMP | BPF_JA, 3), /* to 11 */
        /*  8 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kAfterDcidLength),
        /*  9 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
        /* 10 */ BPF_STMT(BPF_LD | BPF_B | BPF_IND, kAfterDcidLength), /* the last of the scid */
        /* 11 */ BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
        /* 12 */ BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {(unsigned short)(sizeof code / sizeof code[0]), code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
}
#else
bool udp_steer(int fd, uint32_t workers) {
    (void)fd;
    (void)workers;
    return false;
}
#endif
