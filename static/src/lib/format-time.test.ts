import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dayGroup, formatDuration, msToMidnight } from './format-time';

const before = process.env.TZ;
const zone = (name: string) => (process.env.TZ = name);

beforeEach(() => void zone('UTC'));
afterEach(() => {
  if (before === undefined) delete process.env.TZ;
  else process.env.TZ = before;
});

it.each([[0, '1 s'], [1499, '1 s'], [59_400, '59 s'], [61_000, '1 min 1 s']])('%i ms is %s', (ms, said) => {
  expect(formatDuration(ms)).toBe(said);
});

describe('dayGroup', () => {
  const now = new Date('2026-03-10T12:00:00Z');

  it.each([
    ['2026-03-10T00:00:00Z', 'Today'],
    ['2026-03-11T09:00:00Z', 'Today'],
    ['2026-03-09T23:59:59Z', 'Yesterday'],
    ['2026-03-08T23:59:59Z', 'Previous 7 days'],
    ['2026-03-04T00:00:00Z', 'Previous 7 days'],
    ['2026-03-03T23:59:59Z', 'Previous 30 days'],
    ['2026-02-09T00:00:00Z', 'Previous 30 days'],
    ['2026-02-08T23:59:59Z', 'February'],
    ['2026-01-01T00:00:00Z', 'January'],
    ['2025-12-31T23:59:59Z', 'December 2025'],
  ])('%s is listed under %s', (time, group) => expect(dayGroup(time, now)).toBe(group));

  it('goes by the clock of the reader, not by UTC', () => {
    const late = new Date('2026-03-10T03:00:00Z');
    expect(dayGroup('2026-03-09T22:00:00Z', late)).toBe('Yesterday');
    zone('America/New_York');
    expect(dayGroup('2026-03-09T22:00:00Z', late)).toBe('Today');
    zone('Asia/Tokyo');
    expect(dayGroup('2026-03-09T14:00:00Z', late)).toBe('Yesterday');
    expect(dayGroup('2026-03-09T16:00:00Z', late)).toBe('Today');
  });

  it('counts days, not hours, where a clock is put forward', () => {
    zone('Europe/Berlin');
    // 29 March 2026 has 23 hours there.
    expect(dayGroup('2026-03-28T23:30:00+01:00', new Date('2026-03-30T00:10:00+02:00'))).toBe('Previous 7 days');
    expect(dayGroup('2026-03-29T00:10:00+01:00', new Date('2026-03-30T00:00:00+02:00'))).toBe('Yesterday');
  });
});

it('msToMidnight reaches the next local day', () => {
  expect(msToMidnight(new Date('2026-03-10T23:00:00Z'))).toBe(3_600_000);
  zone('Europe/Berlin');
  expect(msToMidnight(new Date('2026-03-29T00:00:00+01:00'))).toBe(23 * 3_600_000);
});
