/** One dispatched event. `id` is null where the event itself carried none. */
export interface ServerSentEvent {
  event: string;
  data: string;
  id: string | null;
}

/** A stream that never ends a line, or an event, is cut off here (UTF-16 units). */
const MAX_EVENT_LENGTH = 16 * 1024 * 1024;

const LF = 10;
const CR = 13;

/**
 * Decodes text/event-stream (HTML Living Standard, "Parsing an event stream") from chunks cut
 * anywhere, in the middle of a character or a CRLF too. An event whose blank line never came is
 * dropped, as the standard says. `retry` is ignored: the caller decides when to attach again.
 */
export class SseDecoder {
  // Removes the one leading byte order mark, and keeps the bytes of a character that is cut in two.
  private readonly text = new TextDecoder('utf-8');
  private rest = '';
  private scanned = 0;
  private skipLf = false;
  private event = '';
  private data: string | null = null;
  private id: string | null = null;

  push(chunk: Uint8Array): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    let buffer = this.rest + this.text.decode(chunk, { stream: true });
    if (this.skipLf && buffer.length > 0) {
      if (buffer.charCodeAt(0) === LF) buffer = buffer.slice(1);
      this.skipLf = false;
    }

    let lineStart = 0;
    let at = this.scanned;
    for (; at < buffer.length; at++) {
      const code = buffer.charCodeAt(at);
      // Only these two end a line; U+2028, U+0085 and the like are text.
      if (code !== LF && code !== CR) continue;
      const done = this.takeLine(buffer.slice(lineStart, at));
      if (done !== null) events.push(done);
      if (code === CR) {
        if (at + 1 === buffer.length) this.skipLf = true;
        else if (buffer.charCodeAt(at + 1) === LF) at++;
      }
      lineStart = at + 1;
    }
    this.rest = buffer.slice(lineStart);
    this.scanned = this.rest.length;
    if (this.rest.length + (this.data?.length ?? 0) > MAX_EVENT_LENGTH) throw new Error('An event is too long.');
    return events;
  }

  private takeLine(line: string): ServerSentEvent | null {
    if (line === '') return this.dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);

    if (field === 'data') this.data = this.data === null ? value : `${this.data}\n${value}`;
    else if (field === 'event') this.event = value;
    else if (field === 'id' && !value.includes('\0')) this.id = value;
    return null;
  }

  private dispatch(): ServerSentEvent | null {
    const { event, data, id } = this;
    this.event = '';
    this.data = null;
    this.id = null;
    return data === null ? null : { event: event === '' ? 'message' : event, data, id };
  }
}
