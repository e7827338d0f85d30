import { describe, expect, it } from 'vitest';
import { SseDecoder, type ServerSentEvent } from './sse-decoder';

const bytes = (text: string) => new TextEncoder().encode(text);

function decode(...chunks: Uint8Array[]): ServerSentEvent[] {
  const decoder = new SseDecoder();
  return chunks.flatMap((chunk) => decoder.push(chunk));
}

const STREAM = 'id: 0.0\nevent: start\ndata: {"a":"ä€🙂"}\n\n: keep-alive\n\nid:0.9\nevent:delta\ndata:one\ndata: two\ndata\n\ndata: last\n\n';
const EVENTS: ServerSentEvent[] = [
  { event: 'start', data: '{"a":"ä€🙂"}', id: '0.0' },
  { event: 'delta', data: 'one\ntwo\n', id: '0.9' },
  { event: 'message', data: 'last', id: null },
];

describe('SseDecoder', () => {
  for (const [name, end] of [['LF', '\n'], ['CR', '\r'], ['CRLF', '\r\n']] as const) {
    const stream = bytes(STREAM.replaceAll('\n', end));

    it(`reads lines that end with ${name}, split at every byte`, () => {
      for (let at = 0; at <= stream.length; at++) {
        expect(decode(stream.slice(0, at), stream.slice(at)), `split at ${at}`).toEqual(EVENTS);
      }
    });

    it(`reads lines that end with ${name}, one byte at a time`, () => {
      expect(decode(...Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(EVENTS);
    });
  }

  it('dispatches at the blank line, without waiting for what follows', () => {
    const decoder = new SseDecoder();
    expect(decoder.push(bytes('data: x\r\r'))).toEqual([{ event: 'message', data: 'x', id: null }]);
    expect(decoder.push(bytes('\ndata: y\n\n'))).toEqual([{ event: 'message', data: 'y', id: null }]);
  });

  it('takes one leading byte order mark away, and no other', () => {
    expect(decode(bytes('\uFEFFdata: \uFEFFx\n\n'))).toEqual([{ event: 'message', data: '\uFEFFx', id: null }]);
  });

  it('drops an event whose blank line never came', () => {
    expect(decode(bytes('data: x\n\ndata: y\n'))).toHaveLength(1);
  });

  it('ignores comments, unknown fields, and blocks without data', () => {
    expect(decode(bytes(': hello\n\nevent: x\nid: 1\n\nretry: 10\nfoo: bar\ndata:  x\n\n'))).toEqual([
      { event: 'message', data: ' x', id: null },
    ]);
  });

  it('ends no line at U+2028 or U+0085', () => {
    expect(decode(bytes('data: a\u2028b\u0085c\n\n'))[0]?.data).toBe('a\u2028b\u0085c');
  });

  it('ignores an id with a NUL', () => {
    expect(decode(bytes('id: a\0b\ndata: x\n\n'))[0]?.id).toBeNull();
  });

  it('gives up on a line without an end', () => {
    const decoder = new SseDecoder();
    const megabyte = bytes('x'.repeat(1024 * 1024));
    expect(() => {
      for (let count = 0; count < 20; count++) decoder.push(megabyte);
    }).toThrow('too long');
  });

  it('gives up on an event of endless lines', () => {
    const decoder = new SseDecoder();
    const lines = bytes(`data: ${'x'.repeat(1022)}\n`.repeat(1024));
    expect(() => {
      for (let count = 0; count < 20; count++) decoder.push(lines);
    }).toThrow('too long');
  });
});
