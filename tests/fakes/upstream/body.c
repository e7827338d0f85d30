#include "body.h"

/* One chunk. A break inside it leaves it shorter than it announced, as a lost peer would. */
static bool frame(struct body *self, struct buf *out, const char *bytes, size_t len)
{
    bool cut = self->left >= 0 && len >= (size_t)self->left;
    size_t sent = cut ? (size_t)self->left : len;
    if (self->left >= 0) self->left -= (long)sent;
    if (cut && sent == 0) return false;
    if (self->framing != BODY_CHUNKED) {
        buf_add(out, bytes, sent);
        return !cut;
    }
    static const char hex[] = "0123456789abcdef";
    char head[20];
    size_t at = sizeof(head);
    head[--at] = '\n';
    head[--at] = '\r';
    for (size_t rest = len; rest > 0; rest >>= 4) head[--at] = hex[rest & 15];
    buf_add(out, head + at, sizeof(head) - at);
    buf_add(out, bytes, sent);
    if (!cut) buf_add(out, "\r\n", 2);
    return !cut;
}

static bool pieces(struct body *self, struct buf *out, const char *bytes, size_t len)
{
    size_t piece = self->split ? self->split : len;
    for (size_t at = 0; at < len; at += piece) {
        size_t now = len - at < piece ? len - at : piece;
        if (!frame(self, out, bytes + at, now)) return false;
    }
    return true;
}

static uint32_t crc32_of(uint32_t crc, const char *bytes, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static bool gzip_begin(struct body *self, struct buf *out)
{
    static const char head[10] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, (char)0xff};
    if (self->gzip_begun) return true;
    self->gzip_begun = true;
    return pieces(self, out, head, sizeof(head));
}

static bool gzip_block(struct body *self, struct buf *out, const char *bytes, size_t len, bool last)
{
    char head[5] = {(char)last, (char)(len & 255), (char)(len >> 8), (char)(~len & 255), (char)(~len >> 8 & 255)};
    return pieces(self, out, head, sizeof(head)) && pieces(self, out, bytes, len);
}

bool body_add(struct body *self, struct buf *out, const char *bytes, size_t len)
{
    if (len == 0) return true;
    if (!self->gzip) return pieces(self, out, bytes, len);
    if (!gzip_begin(self, out)) return false;
    self->crc = crc32_of(self->crc, bytes, len);
    self->total += (uint32_t)len;
    for (size_t at = 0; at < len; at += 65535) {
        size_t now = len - at < 65535 ? len - at : 65535;
        if (!gzip_block(self, out, bytes + at, now, false)) return false;
    }
    return true;
}

bool body_end(struct body *self, struct buf *out)
{
    if (self->gzip) {
        char tail[8];
        for (int i = 0; i < 4; i++) {
            tail[i] = (char)(self->crc >> (8 * i) & 255);
            tail[4 + i] = (char)(self->total >> (8 * i) & 255);
        }
        if (!gzip_begin(self, out) || !gzip_block(self, out, "", 0, true) || !pieces(self, out, tail, sizeof(tail)))
            return false;
    }
    if (self->left == 0) return false;
    if (self->framing == BODY_CHUNKED) buf_add(out, "0\r\n\r\n", 5);
    return true;
}
