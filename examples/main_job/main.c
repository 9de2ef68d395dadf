/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher of the main job (job.h tells the whole): lays the cables, starts the receiver and
 * the sender, pulls the cables, shows what is going on, and judges the result. */
#define _GNU_SOURCE
#include "cable.h"
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_MIB = 256, SERIAL_BAUD = 3000000, QUEUE_MS = 40, WIRE_MTU = 1472, PATIENCE_S = 30 };

struct child {
    pid_t pid;
    int reports; /* to read from; -1: it has ended */
    struct report report;
};

struct job {
    const char *file_name, *output_name;
    int file_fd, output_fd;
    uint64_t file_size;
    struct cable_wire wire[2];
    struct cable cables[LINKS];
    char local[2][URI_MAX];
    pid_t cables_pid;
    struct child sender, receiver;
    struct script script;
    struct display display;
    double start, finished, last_change;
    uint64_t last_bytes;
};

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void give_up(const char *what) {
    fprintf(stderr, "main_job: %s\n", what);
    exit(1); /* the children go with this process */
}

static _Noreturn void give_up_errno(const char *what) {
    fprintf(stderr, "main_job: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A child that does not outlive this process, however that ends. */
static pid_t fork_child(void) {
    pid_t parent = getpid();
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        give_up_errno("fork");
    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
        _exit(1);
    return pid;
}

/* Starts this program again in another role; what it reports can be read from child->reports. */
static void start(struct child *child, char *const *arguments, int keep_fd) {
    int ends[2];
    char report[32];
    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up_errno("pipe");
    child->reports = ends[0];
    child->pid = fork_child();
    if (child->pid > 0) {
        close(ends[1]);
        return;
    }
    char *argv[16];
    int n = 0;
    snprintf(report, sizeof report, "report=%d", ends[1]);
    while (arguments[n] != NULL) {
        argv[n] = arguments[n];
        n++;
    }
    argv[n++] = report;
    argv[n] = NULL;
    fcntl(ends[1], F_SETFD, 0);
    if (keep_fd >= 0)
        fcntl(keep_fd, F_SETFD, 0);
    execv("/proc/self/exe", argv);
    _exit(127);
}

/* It says nothing any more: it has ended, or somebody has ended it. */
static void check_end(const struct child *child, const char *name) {
    siginfo_t info;
    char text[64];
    memset(&info, 0, sizeof info);
    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT) != 0)
        return;
    if (info.si_code == CLD_EXITED)
        snprintf(text, sizeof text, "the %s ended with status %d", name, info.si_status);
    else
        snprintf(text, sizeof text, "the %s was killed by signal %d", name, info.si_status);
    if (info.si_code != CLD_EXITED || info.si_status != 0)
        give_up(text);
}

/* Takes the reports that are there. 0 when the child has ended. */
static int read_reports(struct child *child) {
    struct report report;
    ssize_t n = read(child->reports, &report, sizeof report);
    if (n == (ssize_t)sizeof report) {
        if (report.kind == REPORT_FAILED) {
            fprintf(stderr, "main_job: %s\n", report.text);
            exit(1);
        }
        child->report = report;
        return 1;
    }
    close(child->reports);
    child->reports = -1;
    return 0;
}

/* A file that nobody finds afterwards, filled with bytes that do not repeat. */
static int generate_file(uint64_t size) {
    static uint64_t words[8192];
    uint64_t x = 88172645463325252U;
    int fd = memfd_create("plait main job", MFD_CLOEXEC);
    if (fd < 0)
        give_up_errno("memfd");
    for (uint64_t at = 0; at < size;) {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            words[i] = x;
        }
        uint64_t want = size - at < sizeof words ? size - at : sizeof words;
        ssize_t n = write(fd, words, want);
        if (n <= 0)
            give_up_errno("generating the file");
        at += (uint64_t)n;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void open_files(struct job *job) {
    struct stat st;
    job->output_fd = -1;
    if (job->file_name == NULL) {
        job->file_fd = generate_file((uint64_t)DEFAULT_MIB << 20);
    } else {
        job->file_fd = open(job->file_name, O_RDONLY | O_CLOEXEC);
    }
    if (job->file_fd < 0 || fstat(job->file_fd, &st) != 0)
        give_up_errno(job->file_name);
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        give_up("FILE must be an ordinary file that is not empty");
    job->file_size = (uint64_t)st.st_size;
    if (job->output_name == NULL)
        return;
    job->output_fd = open(job->output_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (job->output_fd < 0)
        give_up_errno(job->output_name);
}

/* The second UDP link is IPv6 where the machine has it. */
static void lay_cables(struct job *job) {
    const char *hosts[2] = {"127.0.0.1", "::1"};
    if (cable_udp_open(&job->cables[0], hosts[0], &job->wire[0]) != 0)
        give_up_errno("a UDP cable");
    if (cable_udp_open(&job->cables[1], hosts[1], &job->wire[1]) != 0) {
        hosts[1] = "127.0.0.2";
        if (cable_udp_open(&job->cables[1], hosts[1], &job->wire[1]) != 0)
            give_up_errno("a UDP cable");
    }
    if (cable_serial_open(&job->cables[2], SERIAL_BAUD / 10) != 0)
        give_up_errno("a serial line");
    for (int i = 0; i < 2; i++)
        snprintf(job->local[i], URI_MAX, strchr(hosts[i], ':') ? "udp://[%s]:0" : "udp://%s:0",
                 hosts[i]);
}

static void start_receiver(struct job *job) {
    char udp[2][URI_MAX + 8], serial[URI_MAX], file[32];
    for (int i = 0; i < 2; i++)
        snprintf(udp[i], sizeof udp[i], "udp%d=%s", i, job->local[i]);
    snprintf(serial, sizeof serial, "serial=serial://%s?baud=%d", job->cables[2].path[1],
             SERIAL_BAUD);
    snprintf(file, sizeof file, "file=%d", job->output_fd);
    char *arguments[] = {"main_job", "receiver", udp[0], udp[1], serial, file, NULL};
    start(&job->receiver, arguments, job->output_fd);
    while (job->receiver.report.kind != REPORT_LISTENING)
        if (!read_reports(&job->receiver))
            give_up("the receiver did not start");
    for (int i = 0; i < 2; i++)
        if (cable_udp_aim(&job->cables[i], job->receiver.report.uri[i]) != 0)
            give_up("the receiver gave no address");
}

static void start_cables(struct job *job) {
    int orders[2];
    if (pipe2(orders, O_CLOEXEC) != 0)
        give_up_errno("pipe");
    job->cables_pid = fork_child();
    if (job->cables_pid == 0) {
        close(orders[1]);
        cables_run(job->cables, LINKS, orders[0]);
        _exit(0);
    }
    close(orders[0]);
    job->script.orders = orders[1];
}

static void start_sender(struct job *job) {
    char udp[2][URI_MAX + 8], local[2][URI_MAX + 8], serial[URI_MAX], id[64], file[32], size[48],
        hold[48];
    for (int i = 0; i < 2; i++) {
        snprintf(udp[i], sizeof udp[i], "udp%d=%s", i, job->cables[i].uri);
        snprintf(local[i], sizeof local[i], "local%d=%s", i, job->local[i]);
    }
    snprintf(serial, sizeof serial, "serial=serial://%s?baud=%d", job->cables[2].path[0],
             SERIAL_BAUD);
    snprintf(id, sizeof id, "id=%s", job->receiver.report.id);
    snprintf(file, sizeof file, "file=%d", job->file_fd);
    snprintf(size, sizeof size, "size=%llu", (unsigned long long)job->file_size);
    snprintf(hold, sizeof hold, "hold=%.0f", job->script.hold * 1e6);
    char *arguments[] = {"main_job", "sender", udp[0], udp[1], local[0], local[1],
                         serial,     id,       file,   size,   hold,     NULL};
    start(&job->sender, arguments, job->file_fd);
}

/* Fails if the bytes do not move: with the serial line alone there are still some. */
static void watch_progress(struct job *job, double now) {
    if (job->receiver.report.bytes != job->last_bytes || job->last_change == 0) {
        job->last_bytes = job->receiver.report.bytes;
        job->last_change = now;
    }
    if (now - job->last_change > PATIENCE_S)
        give_up("nothing has moved for 30 seconds");
}

static void run(struct job *job) {
    job->start = now_s();
    while (job->sender.reports >= 0 || job->receiver.reports >= 0) {
        struct pollfd fds[2] = {{job->sender.reports, POLLIN, 0},
                                {job->receiver.reports, POLLIN, 0}};
        poll(fds, 2, REPORT_MS / 2);
        if (fds[0].revents != 0 && !read_reports(&job->sender))
            check_end(&job->sender, "sender");
        if (fds[1].revents != 0 && !read_reports(&job->receiver))
            check_end(&job->receiver, "receiver");
        double now = now_s() - job->start;
        watch_progress(job, now);
        if (job->sender.report.kind == REPORT_DONE) {
            job->finished = job->finished > 0 ? job->finished : now;
            continue; /* they still say goodbye */
        }
        double done = (double)job->receiver.report.bytes / (double)job->file_size;
        const char *text = script_step(&job->script, now, done);
        if (text != NULL)
            display_line(&job->display, now, text);
        display_progress(&job->display, now, job->file_size, &job->sender.report,
                         &job->receiver.report);
    }
}

static int check(int good, const char *what) {
    if (!good)
        printf("FAILED: %s\n", what);
    return good;
}

static int ended_well(pid_t pid) {
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int judge(struct job *job) {
    const struct report *s = &job->sender.report, *r = &job->receiver.report;
    int good = check(ended_well(job->sender.pid), "the sender did not end well");
    good &= check(ended_well(job->receiver.pid), "the receiver did not end well");
    display_table(job->file_size, job->finished, s, r);
    good &= check(s->kind == REPORT_DONE && r->kind == REPORT_DONE, "it was not finished");
    good &= check(s->bytes == job->file_size && r->bytes == job->file_size, "bytes are missing");
    good &= check(memcmp(s->hash, r->hash, HASH_SIZE) == 0, "the files differ");
    good &= check(s->pings_sent > 0 && s->pings_sent == s->pings_answered, "pings are missing");
    good &= check(job->script.step == STEP_RESTORED, "it was over before all cables were pulled");
    puts(good ? "nothing was lost" : "FAILED");
    return good ? 0 : 1;
}

/* A role's command line: name=value. */
static int run_role(int (*role)(const struct job_args *), char **arguments) {
    struct job_args args = {.report_fd = -1, .file_fd = -1};
    for (; *arguments != NULL; arguments++) {
        char *value = strchr(*arguments, '=');
        if (value == NULL)
            return 2;
        size_t len = (size_t)(value++ - *arguments);
#define IS(name) (len == strlen(name) && strncmp(*arguments, name, len) == 0)
        if (IS("report"))
            args.report_fd = atoi(value);
        else if (IS("file"))
            args.file_fd = atoi(value);
        else if (IS("size"))
            args.file_size = strtoull(value, NULL, 10);
        else if (IS("hold"))
            args.hold_us = strtoull(value, NULL, 10);
        else if (IS("id"))
            args.id = value;
        else if (IS("serial"))
            args.serial = value;
        else if (IS("udp0") || IS("udp1"))
            args.udp[value[-2] - '0'] = value;
        else if (IS("local0") || IS("local1"))
            args.local[value[-2] - '0'] = value;
#undef IS
    }
    return role(&args);
}

static _Noreturn void usage(int status) {
    fprintf(status == 0 ? stdout : stderr,
            "usage: main_job [options] [FILE]\n"
            "Sends FILE (default: %d MiB of generated bytes) over two UDP links and a serial line\n"
            "from one process to another, and pulls the UDP cables meanwhile.\n"
            "  --rate1 MBIT, --rate2 MBIT  of the UDP cables (200, 100)\n"
            "  --delay1 MS, --delay2 MS    one way (2, 6)\n"
            "  --output PATH               where the receiver writes the file (nowhere)\n",
            DEFAULT_MIB);
    exit(status);
}

static double positive(const char *text, double least) {
    char *end;
    double value = strtod(text, &end);
    if (*end != '\0' || end == text || !(value >= least && value <= 100000))
        usage(2);
    return value;
}

static void parse_options(struct job *job, int argc, char **argv) {
    static const struct option kOptions[] = {{"rate1", 1, NULL, 'r'},  {"rate2", 1, NULL, 'R'},
                                             {"delay1", 1, NULL, 'd'}, {"delay2", 1, NULL, 'D'},
                                             {"output", 1, NULL, 'o'}, {"help", 0, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "ho:", kOptions, NULL)) != -1) {
        if (c == 'r' || c == 'R')
            job->wire[c == 'R'].rate = (uint64_t)(positive(optarg, 0.1) * 1e6 / 8);
        else if (c == 'd' || c == 'D')
            job->wire[c == 'D'].delay_us = (uint32_t)(positive(optarg, 0) * 1000);
        else if (c == 'o')
            job->output_name = optarg;
        else
            usage(c == 'h' ? 0 : 2);
    }
    if (argc - optind > 1)
        usage(2);
    job->file_name = argv[optind];
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "sender") == 0)
        return run_role(run_sender, argv + 2);
    if (argc > 2 && strcmp(argv[1], "receiver") == 0)
        return run_role(run_receiver, argv + 2);
    static struct job job = {.wire = {{25000000, 2000, QUEUE_MS * 1000, WIRE_MTU},
                                      {12500000, 6000, QUEUE_MS * 1000, WIRE_MTU}}};
    parse_options(&job, argc, argv);
    job.display.is_terminal = isatty(STDOUT_FILENO);
    open_files(&job);
    const uint64_t rates[2] = {job.wire[0].rate, job.wire[1].rate};
    job.script.hold = script_hold(job.file_size, rates);
    lay_cables(&job);
    start_receiver(&job);
    start_cables(&job);
    start_sender(&job);
    run(&job);
    int status = judge(&job);
    close(job.script.orders); /* the cables end */
    waitpid(job.cables_pid, NULL, 0);
    return status;
}
