/* The generator of `talknow bench media`: paces real packets into SRTP legs and checks what comes back.
 *
 * Python made the legs (ICE, DTLS) and hands over sockets, libsrtp contexts and libsrtp's own functions by
 * address, so nothing is linked here. One system call per packet sent: never batched, neither across calls
 * nor within a frame. Arrival is the kernel's stamp (SO_TIMESTAMPNS), so our own queue does not count.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RING 1024
#define BATCH 32
#define SLOT 2048
#define MAX_US 4000000
#define CHECK_EVERY 64

typedef int (*srtp_call)(void *context, void *packet, int *length);

struct media {
    int payload_type, packets, frames, twcc, step;
    const uint8_t *data;
    const uint32_t *offset; /* packets + 1 */
    const uint32_t *frame;  /* frames + 1: first packet of each */
    uint64_t period_ns;
};

struct sent {
    uint64_t at_ns;
    uint32_t index;
    uint16_t seq;
    uint8_t waiting, counted;
};

struct flow {
    struct media *media;
    int leg, calibrated, at_frame;
    uint32_t ssrc, timestamp, received;
    uint16_t seq, offset, twcc_seq;
    char mid;
    uint64_t due_ns;
    struct sent ring[RING];
};

struct leg {
    int fd;
    void *in, *out;
    struct flow *flow[2];
    uint16_t twcc;
};

struct totals {
    uint64_t sent, received, counted, matched, compared, bad, unmatched, twice, refused, late;
};

struct blast {
    srtp_call protect, unprotect;
    int legs, flows, epoll;
    struct leg *leg;
    struct flow **heap;
    struct media media[2];
    struct totals totals;
    uint32_t *histogram;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

struct blast *blast_new(srtp_call protect, srtp_call unprotect, int legs)
{
    struct blast *b = calloc(1, sizeof *b);
    b->protect = protect;
    b->unprotect = unprotect;
    b->legs = legs;
    b->leg = calloc(legs, sizeof *b->leg);
    b->heap = calloc(2 * legs, sizeof *b->heap);
    b->histogram = calloc(MAX_US + 1, sizeof *b->histogram);
    b->epoll = epoll_create1(0);
    return b;
}

void blast_free(struct blast *b)
{
    for (int i = 0; i < b->flows; i++)
        free(b->heap[i]);
    close(b->epoll);
    free(b->histogram);
    free(b->heap);
    free(b->leg);
    free(b);
}

void blast_media(struct blast *b, int kind, struct media *media)
{
    b->media[kind] = *media;
}

/* The legs 2n and 2n + 1 talk to each other. The socket is connected to the server. */
int blast_leg(struct blast *b, int number, int fd, void *in, void *out)
{
    struct leg *leg = &b->leg[number];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    int on = 1;
    leg->fd = fd;
    leg->in = in;
    leg->out = out;
    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on))
        return -1;
    return epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &event);
}

void blast_flow(struct blast *b, int number, int kind, uint32_t ssrc, int mid)
{
    struct flow *flow = calloc(1, sizeof *flow);
    flow->media = &b->media[kind];
    flow->leg = number;
    flow->ssrc = ssrc;
    flow->mid = mid;
    flow->seq = ssrc & 0x3fff;
    flow->timestamp = ssrc * 2654435761u;
    flow->at_frame = ssrc % flow->media->frames;
    b->leg[number].flow[kind] = flow;
    b->heap[b->flows++] = flow;
}

static void sift(struct blast *b)
{
    struct flow **h = b->heap, *top = h[0];
    int at = 0, child;
    while ((child = 2 * at + 1) < b->flows) {
        if (child + 1 < b->flows && h[child + 1]->due_ns < h[child]->due_ns)
            child++;
        if (h[child]->due_ns >= top->due_ns)
            break;
        h[at] = h[child];
        at = child;
    }
    h[at] = top;
}

/* Spread the flows evenly over one period of their medium; sorted is a heap. */
static int by_due(const void *a, const void *b)
{
    uint64_t x = (*(struct flow **)a)->due_ns, y = (*(struct flow **)b)->due_ns;
    return x < y ? -1 : x > y;
}

static void spread(struct blast *b, uint64_t from_ns)
{
    for (int i = 0; i < b->flows; i++) {
        struct flow *f = b->heap[i];
        uint64_t turn = ((uint64_t)f->leg * 2654435761u) & 0xffffffff;
        f->due_ns = from_ns + turn * f->media->period_ns / 0x100000000ull;
    }
    qsort(b->heap, b->flows, sizeof *b->heap, by_due);
}

static int header(struct flow *f, uint8_t *p, int last)
{
    int video = f->media->twcc, words = video ? 2 : 1;
    p[0] = 0x90;
    p[1] = f->media->payload_type | (video && last ? 0x80 : 0);
    p[2] = f->seq >> 8, p[3] = f->seq;
    p[4] = f->timestamp >> 24, p[5] = f->timestamp >> 16, p[6] = f->timestamp >> 8, p[7] = f->timestamp;
    p[8] = f->ssrc >> 24, p[9] = f->ssrc >> 16, p[10] = f->ssrc >> 8, p[11] = f->ssrc;
    p[12] = 0xbe, p[13] = 0xde, p[14] = 0, p[15] = words;
    if (video) {
        p[16] = 0x31, p[17] = f->twcc_seq >> 8, p[18] = f->twcc_seq;
        p[19] = 0x40, p[20] = f->mid, p[21] = p[22] = p[23] = 0;
        f->twcc_seq++;
    } else {
        p[16] = 0x10, p[17] = 0x80 | (f->seq & 31), p[18] = 0x40, p[19] = f->mid;
    }
    return 16 + 4 * words;
}

static void send_frame(struct blast *b, struct flow *f, int counted)
{
    struct media *m = f->media;
    struct leg *leg = &b->leg[f->leg];
    uint32_t first = m->frame[f->at_frame], end = m->frame[f->at_frame + 1];
    uint8_t packet[SLOT];
    for (uint32_t i = first; i < end; i++) {
        int size = header(f, packet, i + 1 == end);
        int payload = m->offset[i + 1] - m->offset[i];
        struct sent *s = &f->ring[f->seq % RING];
        memcpy(packet + size, m->data + m->offset[i], payload);
        size += payload;
        if (b->protect(leg->out, packet, &size)) {
            b->totals.refused++;
            continue;
        }
        *s = (struct sent){now_ns(), i, f->seq, 1, counted};
        if (send(leg->fd, packet, size, MSG_DONTWAIT) < 0)
            b->totals.refused++;
        b->totals.sent++;
        b->totals.counted += counted;
        f->seq++;
    }
    f->timestamp += m->step;
    f->at_frame = (f->at_frame + 1) % m->frames;
}

/* The payload of an RTP packet after its header and extensions; its length in *size. */
static const uint8_t *payload(const uint8_t *p, int *size)
{
    int at = 12 + 4 * (p[0] & 15);
    if (p[0] & 0x10 && at + 4 <= *size)
        at += 4 + 4 * (p[at + 2] << 8 | p[at + 3]);
    *size -= at;
    return *size > 0 ? p + at : NULL;
}

static int same(struct media *m, uint32_t index, const uint8_t *data, int size)
{
    return size == (int)(m->offset[index + 1] - m->offset[index]) &&
           !memcmp(m->data + m->offset[index], data, size);
}

/* The server numbers anew, by a constant: found by the payload of the first packet. */
static int calibrate(struct flow *f, uint16_t seq, const uint8_t *data, int size)
{
    uint16_t at = f->seq;
    int found = -1;
    for (int back = 1; back <= RING; back++) {
        struct sent *s = &f->ring[(uint16_t)(at - back) % RING];
        if (!s->waiting || s->seq != (uint16_t)(at - back))
            continue;
        if (same(f->media, s->index, data, size)) {
            found = s->seq;
            break;
        }
    }
    if (found < 0)
        return 0;
    f->offset = seq - (uint16_t)found;
    return f->calibrated = 1;
}

static void arrived(struct blast *b, int number, uint8_t *p, int size, uint64_t at_ns)
{
    if (size < 12 || p[0] >> 6 != 2 || (p[1] >= 192 && p[1] <= 223))
        return;
    struct leg *partner = &b->leg[number ^ 1];
    int type = p[1] & 127, kind = partner->flow[1] && type == partner->flow[1]->media->payload_type;
    struct flow *f = partner->flow[kind];
    if (!f || type != f->media->payload_type)
        return;
    uint16_t seq = p[2] << 8 | p[3];
    b->totals.received++;
    int check = !f->calibrated || f->received % CHECK_EVERY == 0;
    const uint8_t *data = NULL;
    f->received++;
    if (check) {
        if (b->unprotect(b->leg[number].in, p, &size)) {
            b->totals.bad++;
            return;
        }
        data = payload(p, &size);
    }
    if (!f->calibrated && !calibrate(f, seq, data, size)) {
        b->totals.unmatched++;
        return;
    }
    uint16_t original = seq - f->offset;
    struct sent *s = &f->ring[original % RING];
    if (s->seq != original || !s->waiting) {
        if (s->seq == original)
            b->totals.twice++;
        else
            b->totals.unmatched++;
        return;
    }
    if (check) {
        b->totals.compared++;
        if (!data || !same(f->media, s->index, data, size)) {
            b->totals.bad++;
            return;
        }
    }
    s->waiting = 0;
    if (!s->counted)
        return;
    b->totals.matched++;
    uint64_t us = at_ns > s->at_ns ? (at_ns - s->at_ns) / 1000 : 0;
    b->histogram[us < MAX_US ? us : MAX_US]++;
}

static void receive(struct blast *b, int number)
{
    static uint8_t data[BATCH][SLOT];
    static char control[BATCH][64];
    struct iovec part[BATCH];
    struct mmsghdr message[BATCH];
    for (int i = 0; i < BATCH; i++) {
        part[i] = (struct iovec){data[i], SLOT};
        memset(&message[i], 0, sizeof message[i]);
        message[i].msg_hdr.msg_iov = &part[i];
        message[i].msg_hdr.msg_iovlen = 1;
        message[i].msg_hdr.msg_control = control[i];
        message[i].msg_hdr.msg_controllen = sizeof control[i];
    }
    int count = recvmmsg(b->leg[number].fd, message, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        uint64_t at_ns = 0;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message[i].msg_hdr);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(c), sizeof t);
            at_ns = (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
        }
        arrived(b, number, data[i], message[i].msg_len, at_ns ? at_ns : now_ns());
    }
}

/* Run for some time. sending 0: only take what is still on its way. counted: these packets are figures. */
void blast_run(struct blast *b, double seconds, int sending, int counted)
{
    struct epoll_event events[64];
    uint64_t from_ns = now_ns(), end_ns = from_ns + (uint64_t)(seconds * 1e9);
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    if (sending && b->flows)
        spread(b, from_ns);
    for (;;) {
        uint64_t now = now_ns();
        if (now >= end_ns)
            break;
        for (int burst = 0; sending && b->flows && b->heap[0]->due_ns <= now && burst < 32; burst++) {
            struct flow *f = b->heap[0];
            if (now - f->due_ns > 5000000)
                b->totals.late++;
            send_frame(b, f, counted);
            f->due_ns += f->media->period_ns;
            sift(b);
        }
        now = now_ns();
        uint64_t until = sending && b->flows && b->heap[0]->due_ns < end_ns ? b->heap[0]->due_ns : end_ns;
        uint64_t wait = until > now ? until - now : 0;
        struct timespec timeout = {wait / 1000000000ull, wait % 1000000000ull};
        int count = epoll_pwait2(b->epoll, events, 64, &timeout, NULL);
        for (int i = 0; i < count; i++)
            receive(b, events[i].data.u32);
    }
}

void blast_totals(struct blast *b, struct totals *out)
{
    *out = b->totals;
}

/* Latency in us below which `share` of the matched packets are; -1 when there are none. */
double blast_latency_us(struct blast *b, double share)
{
    uint64_t want = (uint64_t)(share * b->totals.matched + 0.999999), seen = 0;
    if (!b->totals.matched)
        return -1;
    for (int us = 0; us <= MAX_US; us++)
        if ((seen += b->histogram[us]) >= (want ? want : 1))
            return us;
    return MAX_US;
}
