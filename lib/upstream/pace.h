/*
 * When a stream is read. The first text of an answer, and text after 32 ms of quiet, is read as soon as it comes. A
 * stream that flows may wait: not to read it lets the kernel gather what comes, and one reading, one write to nginx,
 * one TLS record and one wake-up of the browser then carry several chunks.
 *
 *   waiting for events ── FLOWS_AFTER readings, each soon after the last ──► paced: read every `pace` milliseconds,
 *                      ◄── a reading found nothing, QUIET_MS after the last text ──  without waiting for events
 *
 * The pace is by need: 0 while the loop has time, and up to the bound of its settings as it gets busy. It follows what
 * the loop would have to do without it: its busy share, times how much more a reading brings than one that waits for
 * nothing. (A provider may send several chunks at once.)
 *
 * The loop's thread.
 */
#ifndef UPSTREAM_PACE_H
#define UPSTREAM_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"

/* Of one stream; embedded in a transfer. All zero: it waits for events. */
struct paced {
    struct paced *next, *previous;
    void (*read)(struct paced *self); /* called when its time has come; then pace_took is */
    int64_t read_ms;                  /* when it last brought something; 0: never */
    int64_t due_ms;
    unsigned char soon; /* readings, each soon after the last */
    bool on;            /* it is paced */
};

struct pace {
    struct loop *loop;
    int max_ms;                 /* 0: never paced */
    int now_ms;                 /* the pace of the moment */
    struct paced *first, *last; /* by due_ms */
    struct timer timer;
    bool running;                           /* those that are due are being read */
    struct turn_end more;                   /* some were left for the next turn */
    int64_t measured_ms;                    /* the beginning of what is measured */
    int64_t busy_us;                        /* of the loop, by then */
    unsigned reads, chunks;                 /* of all streams, since */
    unsigned unpaced_reads, unpaced_chunks; /* of those that waited for nothing; since there were enough */
    int unpaced_percent;                    /* hundredths of a chunk that one of those brings */
};

/* Takes one that is all zero. */
void pace_open(struct pace *pace, struct loop *loop, int max_ms);
void pace_close(struct pace *pace);
/* The stream's connection was read, and `chunks` pieces of a body came, comments too. Returns whether it is paced from
 * now on, or still: then its owner waits for no events, and `read` is called. */
bool pace_took(struct pace *pace, struct paced *paced, unsigned chunks);
/* It is read no more, or waits for events again. One that isn't paced is fine. */
void pace_leave(struct pace *pace, struct paced *paced);
/* Returns the pace for a loop that is busy for so many thousandths of its time, while a reading brings so many
 * hundredths of what one brings that waits for nothing. Pure. */
int pace_for(int busy_permille, int gathered_percent, int max_ms);

#endif
