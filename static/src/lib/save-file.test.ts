import { expect, it } from 'vitest';
import { fileName } from './save-file';

it.each([
  ['attachment; filename="Gr-e.md"; filename*=UTF-8\'\'Gr%C3%B6%C3%9Fe.md', 'Größe.md'],
  ['attachment; filename="Plain.md"', 'Plain.md'],
  ['attachment; filename="Plain.md"; filename*=UTF-8\'\'%zz', 'Plain.md'],
  ['attachment', null],
  [null, null],
])('%s names %s', (disposition, name) => expect(fileName(disposition)).toBe(name));
