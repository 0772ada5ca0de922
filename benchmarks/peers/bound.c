/* What no user-space forwarder on this kernel goes below: receive, unprotect, protect, send.
 *
 * As many SRTP contexts and destinations as the calls it stands beside; no table, no rewriting, no
 * feedback. It wakes for each packet like any server at that load (a saturated loop would batch more).
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define SLOT 2048

typedef int (*srtp_call)(void *context, void *packet, int *length);

/* port_leg: by the sender's port (network order), its leg + 1; the partner of leg n is n ^ 1. */
int bound_run(int fd, srtp_call protect, srtp_call unprotect, const uint16_t *port_leg,
              const struct sockaddr_in *address, void **in, void **out)
{
    static uint8_t data[BATCH][SLOT];
    struct iovec part[BATCH], gone[BATCH];
    struct mmsghdr message[BATCH], leaving[BATCH];
    struct sockaddr_in from[BATCH];
    memset(message, 0, sizeof message);
    memset(leaving, 0, sizeof leaving);
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            part[i] = (struct iovec){data[i], SLOT};
            message[i].msg_hdr.msg_iov = &part[i];
            message[i].msg_hdr.msg_iovlen = 1;
            message[i].msg_hdr.msg_name = &from[i];
            message[i].msg_hdr.msg_namelen = sizeof from[i];
        }
        int count = recvmmsg(fd, message, BATCH, MSG_WAITFORONE, NULL), queued = 0;
        if (count < 0)
            return -1;
        for (int i = 0; i < count; i++) {
            int leg = port_leg[from[i].sin_port] - 1, size = message[i].msg_len;
            if (leg < 0 || unprotect(in[leg], data[i], &size) || protect(out[leg ^ 1], data[i], &size))
                continue;
            gone[queued] = (struct iovec){data[i], size};
            leaving[queued].msg_hdr.msg_iov = &gone[queued];
            leaving[queued].msg_hdr.msg_iovlen = 1;
            leaving[queued].msg_hdr.msg_name = (void *)&address[leg ^ 1];
            leaving[queued++].msg_hdr.msg_namelen = sizeof *address;
        }
        for (int at = 0; at < queued;) {
            int sent = sendmmsg(fd, leaving + at, queued - at, 0);
            at += sent > 0 ? sent : 1;
        }
    }
}
